using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Binding.Abi;

namespace WinLoop.WinFsp.Binding;

/// <summary>The functions of WinFsp's DLL that a host calls, as pointers: all cdecl, as the header declares them.</summary>
/// <remarks>Filled from whatever resolves a name, so that tests may bring functions of their own.</remarks>
internal sealed unsafe class WinFspExports
{
    /// <summary>The oldest version whose binding is what we expect: 2.0.</summary>
    public const uint MinimumVersion = 2 << 16;

    public readonly delegate* unmanaged[Cdecl]<uint*, NtStatus> Version;
    public readonly delegate* unmanaged[Cdecl]<char*, char*, NtStatus> Preflight;
    public readonly delegate* unmanaged[Cdecl]<char*, VolumeParams*, FileSystemInterface*, FileSystemHead**, NtStatus> Create;
    public readonly delegate* unmanaged[Cdecl]<FileSystemHead*, void> Delete;
    public readonly delegate* unmanaged[Cdecl]<FileSystemHead*, char*, byte*, NtStatus> SetMountPointEx;
    public readonly delegate* unmanaged[Cdecl]<FileSystemHead*, char*> MountPoint;
    public readonly delegate* unmanaged[Cdecl]<FileSystemHead*, uint, NtStatus> StartDispatcher;
    public readonly delegate* unmanaged[Cdecl]<FileSystemHead*, void> StopDispatcher;
    public readonly delegate* unmanaged[Cdecl]<FileSystemHead*, TransactResponse*, void> SendResponse;
    public readonly delegate* unmanaged[Cdecl]<OperationContext*> GetOperationContext;

    /// <summary>The process behind the request of this thread; in Create, Open and Rename only. Null if the DLL has it not.</summary>
    public readonly delegate* unmanaged[Cdecl]<uint> OperationProcessId;

    /// <summary>Takes the functions around each operation; two nulls: none, callbacks run side by side.</summary>
    public readonly delegate* unmanaged[Cdecl]<FileSystemHead*, nint, nint, void> SetOperationGuard;

    /// <summary>File system, callback, its context, path, index of the link's component, whether to resolve the last
    /// component, IO_STATUS_BLOCK, buffer, its size.</summary>
    public readonly delegate* unmanaged[Cdecl]<FileSystemHead*, nint, nint, char*, uint, byte, IoStatusBlock*, byte*, nuint*, NtStatus> ResolveReparsePoints;

    /// <summary>Old descriptor, SECURITY_INFORMATION, modification, new descriptor.</summary>
    public readonly delegate* unmanaged[Cdecl]<byte*, uint, byte*, byte**, NtStatus> SetSecurityDescriptor;

    /// <summary>The descriptor and the function that made it.</summary>
    public readonly delegate* unmanaged[Cdecl]<byte*, nint, void> DeleteSecurityDescriptor;

    /// <summary>Takes all functions from <paramref name="resolve"/>.</summary>
    /// <param name="resolve">The address of an export, 0 if there is none.</param>
    /// <param name="source">What the functions come from, for messages.</param>
    /// <exception cref="WinFspMissingException">One is missing, or the version is too old.</exception>
    public WinFspExports(Func<string, nint> resolve, string source)
    {
        Version = (delegate* unmanaged[Cdecl]<uint*, NtStatus>)Get("FspVersion");
        InstalledVersion = ReadVersion(source);
        Preflight = (delegate* unmanaged[Cdecl]<char*, char*, NtStatus>)Get("FspFileSystemPreflight");
        Create = (delegate* unmanaged[Cdecl]<char*, VolumeParams*, FileSystemInterface*, FileSystemHead**, NtStatus>)Get("FspFileSystemCreate");
        Delete = (delegate* unmanaged[Cdecl]<FileSystemHead*, void>)Get("FspFileSystemDelete");
        SetMountPointEx = (delegate* unmanaged[Cdecl]<FileSystemHead*, char*, byte*, NtStatus>)Get("FspFileSystemSetMountPointEx");
        MountPoint = (delegate* unmanaged[Cdecl]<FileSystemHead*, char*>)Get("FspFileSystemMountPointF");
        StartDispatcher = (delegate* unmanaged[Cdecl]<FileSystemHead*, uint, NtStatus>)Get("FspFileSystemStartDispatcher");
        StopDispatcher = (delegate* unmanaged[Cdecl]<FileSystemHead*, void>)Get("FspFileSystemStopDispatcher");
        SendResponse = (delegate* unmanaged[Cdecl]<FileSystemHead*, TransactResponse*, void>)Get("FspFileSystemSendResponse");
        GetOperationContext = (delegate* unmanaged[Cdecl]<OperationContext*>)Get("FspFileSystemGetOperationContext");
        OperationProcessId = (delegate* unmanaged[Cdecl]<uint>)resolve("FspFileSystemOperationProcessIdF");
        SetOperationGuard = (delegate* unmanaged[Cdecl]<FileSystemHead*, nint, nint, void>)Get("FspFileSystemSetOperationGuardF");
        ResolveReparsePoints = (delegate* unmanaged[Cdecl]<FileSystemHead*, nint, nint, char*, uint, byte, IoStatusBlock*, byte*, nuint*, NtStatus>)
            Get("FspFileSystemResolveReparsePoints");
        SetSecurityDescriptor = (delegate* unmanaged[Cdecl]<byte*, uint, byte*, byte**, NtStatus>)Get("FspSetSecurityDescriptor");
        DeleteSecurityDescriptor = (delegate* unmanaged[Cdecl]<byte*, nint, void>)Get("FspDeleteSecurityDescriptor");

        nint Get(string name)
        {
            nint address = resolve(name);
            return address != 0 ? address : throw new WinFspMissingException(
                $"{source} has no {name}, so it is damaged or not WinFsp. Install WinFsp again from https://winfsp.dev/rel.");
        }
    }

    /// <summary>Major version in the upper, minor version in the lower 16 bits.</summary>
    public uint InstalledVersion { get; }

    private uint ReadVersion(string source)
    {
        uint version = 0;
        NtStatus status = Version(&version);
        if (!status.IsSuccess())
        {
            throw new WinFspMissingException($"{source} does not tell its version ({status.Describe()}). Install WinFsp again from https://winfsp.dev/rel.");
        }
        return version >= MinimumVersion ? version : throw new WinFspMissingException(
            $"WinFsp {version >> 16}.{version & 0xFFFF} ({source}) is too old: version 2.0 or later is needed. Install it from https://winfsp.dev/rel.");
    }
}
