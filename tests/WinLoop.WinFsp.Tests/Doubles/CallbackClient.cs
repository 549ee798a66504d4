using System.Runtime.InteropServices;
using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Binding;
using WinLoop.WinFsp.Binding.Abi;

namespace WinLoop.WinFsp.Tests.Doubles;

/// <summary>An open as the driver knows it: two numbers in memory of the driver's.</summary>
internal sealed unsafe class Opened : IDisposable
{
    public FullContext* Context { get; } = (FullContext*)NativeMemory.AllocZeroed((nuint)sizeof(FullContext));
    public WindowsFileInfo Info { get; set; }
    public string? Name { get; set; }
    public bool IsCacheDisabled { get; set; }

    public void Dispose() => NativeMemory.Free(Context);
}

/// <summary>Calls the callbacks of a mount through its table, as WinFsp's DLL does.</summary>
internal sealed unsafe class CallbackClient(VolumeDouble volume)
{
    public const uint DirectoryFile = 1, NonDirectoryFile = 0x40, AllAccess = 0x1F01FF;

    private readonly FileSystemInterface _table = volume.Table;
    private long _hint = 1000;

    public (NtStatus Status, Opened? File) Create(string path, bool isDirectory = false, byte[]? security = null, byte[]? extra = null, uint attributes = 0)
    {
        Opened opened = new();
        NtStatus status = Enter(opened, (context, info) =>
        {
            fixed (char* p = path)
            {
                fixed (byte* s = security, e = extra)
                {
                    return ((delegate* unmanaged[Cdecl]<FileSystemHead*, char*, uint, uint, uint, byte*, ulong, byte*, uint, byte, nint, OpenFileInfo*, NtStatus>)
                        _table.CreateEx)(volume.Native, p, (2u << 24) | (isDirectory ? DirectoryFile : NonDirectoryFile), AllAccess, attributes,
                        s, 0, e, (uint)(extra?.Length ?? 0), 0, context, info);
                }
            }
        });
        return (status, status.IsSuccess() ? opened : null);
    }

    public (NtStatus Status, Opened? File) Open(string path)
    {
        Opened opened = new();
        NtStatus status = Enter(opened, (context, info) =>
        {
            fixed (char* p = path)
            {
                return ((delegate* unmanaged[Cdecl]<FileSystemHead*, char*, uint, uint, nint, OpenFileInfo*, NtStatus>)_table.Open)(
                    volume.Native, p, 1u << 24, AllAccess, context, info);
            }
        });
        return (status, status.IsSuccess() ? opened : null);
    }

    public (NtStatus Status, uint Attributes, byte[] Descriptor) GetSecurityByName(string path, int room = 1024)
    {
        byte[] buffer = new byte[room];
        uint attributes = 0;
        nuint size = (nuint)room;
        fixed (char* p = path)
        {
            fixed (byte* b = buffer)
            {
                NtStatus status = ((delegate* unmanaged[Cdecl]<FileSystemHead*, char*, uint*, byte*, nuint*, NtStatus>)_table.GetSecurityByName)(
                    volume.Native, p, &attributes, b, &size);
                return (status, attributes, status == NtStatus.Success ? buffer[..(int)size] : new byte[(int)size]);
            }
        }
    }

    public NtStatus GetFileInfo(Opened file, out WindowsFileInfo info)
    {
        WindowsFileInfo result = default;
        NtStatus status = ((delegate* unmanaged[Cdecl]<FileSystemHead*, nint, WindowsFileInfo*, NtStatus>)_table.GetFileInfo)(volume.Native, Key(file), &result);
        info = result;
        return status;
    }

    public NtStatus Read(Opened file, byte* buffer, int length, ulong offset, out uint transferred, ulong hint = 0)
    {
        uint done = 0;
        using RequestScope scope = new(stackalloc byte[RequestScope.Size], hint == 0 ? NextHint() : hint);
        NtStatus status = ((delegate* unmanaged[Cdecl]<FileSystemHead*, nint, byte*, ulong, uint, uint*, NtStatus>)_table.Read)(
            volume.Native, Key(file), buffer, offset, (uint)length, &done);
        transferred = done;
        return status;
    }

    public (NtStatus Status, byte[] Data) Read(Opened file, int length, ulong offset)
    {
        byte[] buffer = new byte[length];
        fixed (byte* b = buffer)
        {
            NtStatus status = Read(file, b, length, offset, out uint transferred);
            return (status, buffer[..(int)transferred]);
        }
    }

    public NtStatus Write(Opened file, byte* buffer, int length, ulong offset, out uint transferred, out WindowsFileInfo info,
        bool toEnd = false, bool constrained = false, ulong hint = 0)
    {
        uint done = 0;
        WindowsFileInfo result = default;
        using RequestScope scope = new(stackalloc byte[RequestScope.Size], hint == 0 ? NextHint() : hint);
        NtStatus status = ((delegate* unmanaged[Cdecl]<FileSystemHead*, nint, byte*, ulong, uint, byte, byte, uint*, WindowsFileInfo*, NtStatus>)_table.Write)(
            volume.Native, Key(file), buffer, offset, (uint)length, toEnd ? (byte)1 : (byte)0, constrained ? (byte)1 : (byte)0, &done, &result);
        (transferred, info) = (done, result);
        return status;
    }

    public (NtStatus Status, uint Transferred, WindowsFileInfo Info) Write(Opened file, ReadOnlySpan<byte> data, ulong offset, bool toEnd = false, bool constrained = false)
    {
        fixed (byte* b = data)
        {
            NtStatus status = Write(file, b, data.Length, offset, out uint transferred, out WindowsFileInfo info, toEnd, constrained);
            return (status, transferred, info);
        }
    }

    public NtStatus Flush(Opened? file)
    {
        WindowsFileInfo info = default;
        FullContext none = default;
        nint key = file is not null ? Key(file) : volume.HasFullContext ? (nint)(&none) : 0;
        return ((delegate* unmanaged[Cdecl]<FileSystemHead*, nint, WindowsFileInfo*, NtStatus>)_table.Flush)(volume.Native, key, &info);
    }

    public NtStatus SetBasicInfo(Opened file, uint attributes, ulong creation, ulong access, ulong write, ulong change, out WindowsFileInfo info)
    {
        WindowsFileInfo result = default;
        NtStatus status = ((delegate* unmanaged[Cdecl]<FileSystemHead*, nint, uint, ulong, ulong, ulong, ulong, WindowsFileInfo*, NtStatus>)_table.SetBasicInfo)(
            volume.Native, Key(file), attributes, creation, access, write, change, &result);
        info = result;
        return status;
    }

    public NtStatus SetFileSize(Opened file, ulong size, bool isAllocationSize, out WindowsFileInfo info)
    {
        WindowsFileInfo result = default;
        NtStatus status = ((delegate* unmanaged[Cdecl]<FileSystemHead*, nint, ulong, byte, WindowsFileInfo*, NtStatus>)_table.SetFileSize)(
            volume.Native, Key(file), size, isAllocationSize ? (byte)1 : (byte)0, &result);
        info = result;
        return status;
    }

    public NtStatus Overwrite(Opened file, uint attributes, bool replace)
    {
        WindowsFileInfo info = default;
        return ((delegate* unmanaged[Cdecl]<FileSystemHead*, nint, uint, byte, ulong, byte*, uint, WindowsFileInfo*, NtStatus>)_table.OverwriteEx)(
            volume.Native, Key(file), attributes, replace ? (byte)1 : (byte)0, 0, null, 0, &info);
    }

    public NtStatus SetDelete(Opened file, string path, bool delete)
    {
        fixed (char* p = path)
        {
            return ((delegate* unmanaged[Cdecl]<FileSystemHead*, nint, char*, byte, NtStatus>)_table.SetDelete)(volume.Native, Key(file), p, delete ? (byte)1 : (byte)0);
        }
    }

    public NtStatus Rename(Opened file, string path, string newPath, bool replace)
    {
        fixed (char* p = path, q = newPath)
        {
            return ((delegate* unmanaged[Cdecl]<FileSystemHead*, nint, char*, char*, byte, NtStatus>)_table.Rename)(
                volume.Native, Key(file), p, q, replace ? (byte)1 : (byte)0);
        }
    }

    public void Cleanup(Opened file, string? path = null, CleanupFlags flags = CleanupFlags.None)
    {
        fixed (char* p = path)
        {
            ((delegate* unmanaged[Cdecl]<FileSystemHead*, nint, char*, uint, void>)_table.Cleanup)(volume.Native, Key(file), p, (uint)flags);
        }
    }

    public void Close(Opened file)
    {
        ((delegate* unmanaged[Cdecl]<FileSystemHead*, nint, void>)_table.Close)(volume.Native, Key(file));
        file.Dispose();
    }

    public (NtStatus Status, byte[] Descriptor) GetSecurity(Opened file)
    {
        byte[] buffer = new byte[4096];
        nuint size = (nuint)buffer.Length;
        fixed (byte* b = buffer)
        {
            NtStatus status = ((delegate* unmanaged[Cdecl]<FileSystemHead*, nint, byte*, nuint*, NtStatus>)_table.GetSecurity)(volume.Native, Key(file), b, &size);
            return (status, buffer[..(int)size]);
        }
    }

    public NtStatus SetSecurity(Opened file, uint information, byte[] modification)
    {
        fixed (byte* m = modification)
        {
            return ((delegate* unmanaged[Cdecl]<FileSystemHead*, nint, uint, byte*, NtStatus>)_table.SetSecurity)(volume.Native, Key(file), information, m);
        }
    }

    public NtStatus ReadDirectory(Opened file, string? marker, byte* buffer, int length, out uint transferred, ulong hint = 0)
    {
        uint done = 0;
        NtStatus status;
        fixed (char* m = marker)
        {
            using RequestScope scope = new(stackalloc byte[RequestScope.Size], hint == 0 ? NextHint() : hint);
            status = ((delegate* unmanaged[Cdecl]<FileSystemHead*, nint, char*, char*, byte*, uint, uint*, NtStatus>)_table.ReadDirectory)(
                volume.Native, Key(file), null, m, buffer, (uint)length, &done);
        }
        transferred = done;
        return status;
    }

    public (NtStatus Status, List<string> Names, bool IsEnd) ReadDirectory(Opened file, string? marker, int room)
    {
        byte[] buffer = new byte[room];
        fixed (byte* b = buffer)
        {
            NtStatus status = ReadDirectory(file, marker, b, room, out uint transferred);
            (List<string> names, bool isEnd) = ParseListing(buffer.AsSpan(0, (int)transferred));
            return (status, names, isEnd);
        }
    }

    public static (List<string> Names, bool IsEnd) ParseListing(ReadOnlySpan<byte> bytes)
    {
        List<string> names = [];
        while (bytes.Length > 0)
        {
            int size = MemoryMarshal.Read<ushort>(bytes);
            if (size == 0)
            {
                Assert.Equal(2, bytes.Length);
                return (names, true);
            }
            names.Add(new string(MemoryMarshal.Cast<byte, char>(bytes[DirInfo.HeaderSize..size])));
            bytes = bytes[((size + 7) & ~7)..];
        }
        return (names, false);
    }

    public (NtStatus Status, string Name, WindowsFileInfo Info) GetDirInfoByName(Opened file, string name)
    {
        byte* buffer = stackalloc byte[DirInfo.HeaderSize + (2 * DirInfo.MaxName)];
        fixed (char* n = name)
        {
            NtStatus status = ((delegate* unmanaged[Cdecl]<FileSystemHead*, nint, char*, DirInfo*, NtStatus>)_table.GetDirInfoByName)(
                volume.Native, Key(file), n, (DirInfo*)buffer);
            DirInfo* entry = (DirInfo*)buffer;
            return status != NtStatus.Success ? (status, "", default)
                : (status, new string((char*)(buffer + DirInfo.HeaderSize), 0, (entry->Size - DirInfo.HeaderSize) / 2), entry->Info);
        }
    }

    public (NtStatus Status, VolumeInfo Info) GetVolumeInfo()
    {
        VolumeInfo info = default;
        NtStatus status = ((delegate* unmanaged[Cdecl]<FileSystemHead*, VolumeInfo*, NtStatus>)_table.GetVolumeInfo)(volume.Native, &info);
        return (status, info);
    }

    public (NtStatus Status, VolumeInfo Info) SetVolumeLabel(string label)
    {
        VolumeInfo info = default;
        fixed (char* l = label)
        {
            NtStatus status = ((delegate* unmanaged[Cdecl]<FileSystemHead*, char*, VolumeInfo*, NtStatus>)_table.SetVolumeLabel)(volume.Native, l, &info);
            return (status, info);
        }
    }

    public (NtStatus Status, byte[] Data) Fill(FillKind kind, Opened file, string path, int room)
    {
        byte[] buffer = new byte[room];
        fixed (byte* b = buffer)
        {
            fixed (char* p = path)
            {
                nuint size = (nuint)room;
                uint transferred = 0;
                switch (kind)
                {
                    case FillKind.Streams:
                    {
                        NtStatus status = ((delegate* unmanaged[Cdecl]<FileSystemHead*, nint, byte*, uint, uint*, NtStatus>)_table.GetStreamInfo)(
                            volume.Native, Key(file), b, (uint)room, &transferred);
                        return (status, buffer[..(int)transferred]);
                    }
                    case FillKind.Ea:
                    {
                        NtStatus status = ((delegate* unmanaged[Cdecl]<FileSystemHead*, nint, byte*, uint, uint*, NtStatus>)_table.GetEa)(
                            volume.Native, Key(file), b, (uint)room, &transferred);
                        return (status, buffer[..(int)transferred]);
                    }
                    case FillKind.Resolve:
                    {
                        IoStatusBlock ioStatus = default;
                        NtStatus status = ((delegate* unmanaged[Cdecl]<FileSystemHead*, char*, uint, byte, IoStatusBlock*, byte*, nuint*, NtStatus>)_table.ResolveReparsePoints)(
                            volume.Native, p, 0, 1, &ioStatus, b, &size);
                        return (status, status.IsSuccess() ? buffer[..(int)size] : []);
                    }
                    default:
                    {
                        NtStatus status = ((delegate* unmanaged[Cdecl]<FileSystemHead*, nint, char*, byte*, nuint*, NtStatus>)_table.GetReparsePoint)(
                            volume.Native, Key(file), p, b, &size);
                        return (status, status.IsSuccess() ? buffer[..(int)size] : []);
                    }
                }
            }
        }
    }

    public NtStatus SetEa(Opened file, byte[] list)
    {
        WindowsFileInfo info = default;
        fixed (byte* b = list)
        {
            return ((delegate* unmanaged[Cdecl]<FileSystemHead*, nint, byte*, uint, WindowsFileInfo*, NtStatus>)_table.SetEa)(
                volume.Native, Key(file), b, (uint)list.Length, &info);
        }
    }

    public NtStatus SetReparsePoint(Opened file, string path, byte[] data, bool delete = false)
    {
        nint slot = delete ? _table.DeleteReparsePoint : _table.SetReparsePoint;
        fixed (byte* b = data)
        {
            fixed (char* p = path)
            {
                return ((delegate* unmanaged[Cdecl]<FileSystemHead*, nint, char*, byte*, nuint, NtStatus>)slot)(
                    volume.Native, Key(file), p, b, (nuint)data.Length);
            }
        }
    }

    public void DispatcherStopped(bool normally) =>
        ((delegate* unmanaged[Cdecl]<FileSystemHead*, byte, void>)_table.DispatcherStopped)(volume.Native, normally ? (byte)1 : (byte)0);

    private ulong NextHint() => (ulong)Interlocked.Increment(ref _hint);

    private nint Key(Opened file) => volume.HasFullContext ? (nint)file.Context : (nint)file.Context->UserContext2;

    private NtStatus Enter(Opened opened, OpenCall call)
    {
        char* name = stackalloc char[1024];
        OpenFileInfo info = new() { NormalizedName = name, NormalizedNameSize = 2048 };
        OpenFileInfo* p = &info;
        nint context = volume.HasFullContext ? (nint)opened.Context : (nint)(&opened.Context->UserContext2);
        using RequestScope scope = new(stackalloc byte[RequestScope.Size], NextHint());
        NtStatus status = call(context, p);
        opened.Info = info.Info;
        opened.Name = info.NormalizedNameSize == 2048 ? null : new string(name, 0, info.NormalizedNameSize / 2);
        opened.IsCacheDisabled = (scope.OpenedFlags & TransactResponse.DisableCache) != 0;
        return status;
    }

    private delegate NtStatus OpenCall(nint context, OpenFileInfo* info);
}

/// <summary>Callbacks that fill a buffer.</summary>
internal enum FillKind
{
    Streams,
    Ea,
    Resolve,
    Reparse,
}
