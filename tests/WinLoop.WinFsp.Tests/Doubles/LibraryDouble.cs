using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Binding;
using WinLoop.WinFsp.Binding.Abi;

namespace WinLoop.WinFsp.Tests.Doubles;

/// <summary>
/// WinFsp's DLL as functions of this process: it keeps what a host announces, lets tests call the callbacks through
/// the real table, and has no rules of its own beyond that (the stand-in driver of the Windows tests has them).
/// </summary>
internal static unsafe class LibraryDouble
{
    private const int NativeSize = 792;

    private static readonly ConcurrentDictionary<nint, VolumeDouble> Volumes = new();
    private static int s_descriptors;

    [ThreadStatic]
    private static OperationContext* t_context;

    /// <summary>Names that the double has.</summary>
    public static Dictionary<string, nint> Functions { get; } = new()
    {
        ["FspVersion"] = (nint)(delegate* unmanaged[Cdecl]<uint*, int>)&Version,
        ["FspFileSystemPreflight"] = (nint)(delegate* unmanaged[Cdecl]<char*, char*, uint>)&Preflight,
        ["FspFileSystemCreate"] = (nint)(delegate* unmanaged[Cdecl]<char*, VolumeParams*, FileSystemInterface*, FileSystemHead**, uint>)&Create,
        ["FspFileSystemDelete"] = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, void>)&Delete,
        ["FspFileSystemSetMountPointEx"] = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, char*, byte*, uint>)&SetMountPoint,
        ["FspFileSystemMountPointF"] = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, char*>)&MountPoint,
        ["FspFileSystemStartDispatcher"] = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, uint, uint>)&StartDispatcher,
        ["FspFileSystemStopDispatcher"] = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, void>)&StopDispatcher,
        ["FspFileSystemSendResponse"] = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, TransactResponse*, void>)&SendResponse,
        ["FspFileSystemGetOperationContext"] = (nint)(delegate* unmanaged[Cdecl]<OperationContext*>)&GetOperationContext,
        ["FspFileSystemSetOperationGuardF"] = (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, nint, nint, void>)&SetOperationGuard,
        ["FspFileSystemResolveReparsePoints"] =
            (nint)(delegate* unmanaged[Cdecl]<FileSystemHead*, nint, nint, char*, uint, byte, IoStatusBlock*, byte*, nuint*, uint>)&ResolveReparsePoints,
        ["FspSetSecurityDescriptor"] = (nint)(delegate* unmanaged[Cdecl]<byte*, uint, byte*, byte**, uint>)&SetSecurityDescriptor,
        ["FspDeleteSecurityDescriptor"] = (nint)(delegate* unmanaged[Cdecl]<byte*, nint, void>)&DeleteSecurityDescriptor,
    };

    public static WinFspExports Exports { get; } = new(name => Functions.GetValueOrDefault(name), "the double");

    /// <summary>Descriptors that were made and not deleted.</summary>
    public static int Descriptors => Volatile.Read(ref s_descriptors);

    /// <summary>The volume mounted at a mount point.</summary>
    public static VolumeDouble Find(string mountPoint) => Volumes.Values.Single(v => v.MountPoint == mountPoint);

    /// <summary>Volumes that were made and not deleted, at a mount point.</summary>
    public static int CountAt(string mountPoint) => Volumes.Values.Count(v => v.MountPoint == mountPoint);

    /// <summary>What this thread's callbacks find as their request; null: none.</summary>
    public static void SetContext(OperationContext* context) => t_context = context;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Version(uint* version)
    {
        *version = (2 << 16) | 1;
        return 0;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static int OldVersion(uint* version)
    {
        *version = (1 << 16) | 12;
        return 0;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static uint Preflight(char* device, char* mountPoint) =>
        mountPoint != null && CountAt(new string(mountPoint)) != 0 ? (uint)NtStatus.ObjectNameCollision : 0;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static uint Create(char* device, VolumeParams* parameters, FileSystemInterface* table, FileSystemHead** native)
    {
        FileSystemHead* made = (FileSystemHead*)NativeMemory.AllocZeroed(NativeSize);
        Volumes[(nint)made] = new VolumeDouble(made, *parameters, *table, new string(device));
        *native = made;
        return 0;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Delete(FileSystemHead* native)
    {
        if (Volumes.TryRemove((nint)native, out VolumeDouble? volume))
        {
            volume.Dispose();
            NativeMemory.Free(native);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static uint SetMountPoint(FileSystemHead* native, char* mountPoint, byte* security)
    {
        string name = mountPoint == null ? "Z:" : new string(mountPoint);
        if (name.StartsWith("refused", StringComparison.Ordinal))
        {
            return (uint)NtStatus.AccessDenied;
        }
        Volumes[(nint)native].SetMountPoint(name);
        return 0;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static char* MountPoint(FileSystemHead* native) => Volumes[(nint)native].MountPointPointer;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static uint StartDispatcher(FileSystemHead* native, uint threads)
    {
        Volumes[(nint)native].IsRunning = true;
        return 0;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void StopDispatcher(FileSystemHead* native)
    {
        VolumeDouble volume = Volumes[(nint)native];
        volume.IsRunning = false;
        if (volume.Table.DispatcherStopped != 0)
        {
            ((delegate* unmanaged[Cdecl]<FileSystemHead*, byte, void>)volume.Table.DispatcherStopped)(native, 1);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void SendResponse(FileSystemHead* native, TransactResponse* response) => Volumes[(nint)native].Responses.Add(*response);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static OperationContext* GetOperationContext() => t_context;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void SetOperationGuard(FileSystemHead* native, nint enter, nint leave) =>
        Volumes[(nint)native].IsGuardOff = enter == 0 && leave == 0;

    // Asks for the whole path only, and hands the link's data on.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static uint ResolveReparsePoints(
        FileSystemHead* native, nint callback, nint context, char* path, uint index, byte resolveLast, IoStatusBlock* status, byte* buffer, nuint* size)
    {
        int result = ((delegate* unmanaged[Cdecl]<FileSystemHead*, nint, char*, byte, byte*, nuint*, int>)callback)(native, context, path, 0, buffer, size);
        if (result < 0)
        {
            return (uint)result;
        }
        status->Information = *(int*)buffer;
        return (uint)NtStatus.Reparse;
    }

    // The modification replaces everything.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static uint SetSecurityDescriptor(byte* old, uint information, byte* modification, byte** merged)
    {
        int length = Requests.SecurityDescriptor.GetLength(modification);
        *merged = (byte*)NativeMemory.Alloc((nuint)length);
        new Span<byte>(modification, length).CopyTo(new Span<byte>(*merged, length));
        Interlocked.Increment(ref s_descriptors);
        return 0;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void DeleteSecurityDescriptor(byte* descriptor, nint maker)
    {
        if (maker == Functions["FspSetSecurityDescriptor"])
        {
            NativeMemory.Free(descriptor);
            Interlocked.Decrement(ref s_descriptors);
        }
    }
}
