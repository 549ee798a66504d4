using System.Runtime.InteropServices;
using Fsp.Interop;
using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Binding;
using WinLoop.WinFsp.Binding.Abi;
using VolumeParams = Fsp.Interop.VolumeParams;

namespace Fsp;

/// <summary>Mounts a file system.</summary>
public unsafe class FileSystemHost : IDisposable
{
    private const uint UmFileContextIsFullContext = 0x20000;

    private readonly WinFspExports _exports = StubLibrary.Exports;
    private readonly FileSystemBase _fileSystem;
    private VolumeParams _VolumeParams;
    private FileSystemHead* _native;

    public FileSystemHost(FileSystemBase FileSystem)
    {
        _VolumeParams.Version = (ushort)sizeof(VolumeParams);
        _VolumeParams.Flags = UmFileContextIsFullContext;
        _fileSystem = FileSystem;
    }

    public ushort SectorSize
    {
        get => _VolumeParams.SectorSize;
        set => _VolumeParams.SectorSize = value;
    }

    public ushort SectorsPerAllocationUnit
    {
        get => _VolumeParams.SectorsPerAllocationUnit;
        set => _VolumeParams.SectorsPerAllocationUnit = value;
    }

    public ushort MaxComponentLength
    {
        get => _VolumeParams.MaxComponentLength;
        set => _VolumeParams.MaxComponentLength = value;
    }

    public ulong VolumeCreationTime
    {
        get => _VolumeParams.VolumeCreationTime;
        set => _VolumeParams.VolumeCreationTime = value;
    }

    public uint VolumeSerialNumber
    {
        get => _VolumeParams.VolumeSerialNumber;
        set => _VolumeParams.VolumeSerialNumber = value;
    }

    public uint FileInfoTimeout
    {
        get => _VolumeParams.FileInfoTimeout;
        set => _VolumeParams.FileInfoTimeout = value;
    }

    public string FileSystemName
    {
        set
        {
            for (int i = 0; i < 16; i++)
            {
                _VolumeParams.FileSystemName[i] = i < value.Length && i < 15 ? value[i] : '\0';
            }
        }
    }

    public bool CaseSensitiveSearch { get => Has(0x1); set => Add(0x1, value); }
    public bool CasePreservedNames { get => Has(0x2); set => Add(0x2, value); }
    public bool UnicodeOnDisk { get => Has(0x4); set => Add(0x4, value); }
    public bool PersistentAcls { get => Has(0x8); set => Add(0x8, value); }
    public bool ReparsePoints { get => Has(0x10); set => Add(0x10, value); }
    public bool ReparsePointsAccessCheck { get => Has(0x20); set => Add(0x20, value); }
    public bool NamedStreams { get => Has(0x40); set => Add(0x40, value); }
    public bool ExtendedAttributes { get => Has(0x100); set => Add(0x100, value); }
    public bool PostCleanupWhenModifiedOnly { get => Has(0x400); set => Add(0x400, value); }
    public bool PassQueryDirectoryPattern { get => Has(0x800); set => Add(0x800, value); }
    public bool PassQueryDirectoryFileName { get => Has(0x2000); set => Add(0x2000, value); }
    public bool FlushAndPurgeOnCleanup { get => Has(0x4000); set => Add(0x4000, value); }
    public bool DeviceControl { get => Has(0x8000); set => Add(0x8000, value); }
    public bool AllowOpenInKernelMode { get => Has(0x01000000); set => Add(0x01000000, value); }
    public bool WslFeatures { get => Has(0x04000000); set => Add(0x04000000, value); }
    public bool RejectIrpPriorToTransact0 { get => Has(0x10000000); set => Add(0x10000000, value); }
    public bool SupportsPosixUnlinkRename { get => Has(0x20000000); set => Add(0x20000000, value); }

    public int Mount(string MountPoint, byte[] SecurityDescriptor = null, bool Synchronized = false, uint DebugLog = 0) =>
        MountEx(MountPoint, 0, SecurityDescriptor, Synchronized, DebugLog);

    public int MountEx(string MountPoint, uint ThreadCount, byte[] SecurityDescriptor = null, bool Synchronized = false, uint DebugLog = 0)
    {
        int status = Guard(() => _fileSystem.Init(this));
        if (status < 0)
        {
            return status;
        }
        FileSystemHead* native = null;
        fixed (char* device = "WinFsp.Disk")
        {
            fixed (VolumeParams* parameters = &_VolumeParams)
            {
                status = (int)_exports.Create(device, (WinLoop.WinFsp.Binding.Abi.VolumeParams*)parameters, StubCallbacks.Table, &native);
            }
        }
        if (status < 0)
        {
            return status;
        }
        _native = native;
        _native->UserContext = (ulong)GCHandle.ToIntPtr(GCHandle.Alloc(_fileSystem, GCHandleType.Weak));
        fixed (char* point = MountPoint)
        {
            status = (int)_exports.SetMountPointEx(_native, point, null);
        }
        if (status >= 0)
        {
            status = Guard(() => _fileSystem.Mounted(this));
        }
        if (status >= 0)
        {
            status = (int)_exports.StartDispatcher(_native, ThreadCount);
            if (status < 0)
            {
                _fileSystem.Unmounted(this);
            }
        }
        if (status < 0)
        {
            Delete();
        }
        return status;
    }

    public void Unmount() => Dispose();

    public void Dispose()
    {
        lock (_fileSystem)
        {
            if (_native != null)
            {
                _exports.StopDispatcher(_native);
                Guard(() =>
                {
                    _fileSystem.Unmounted(this);
                    return 0;
                });
                Delete();
            }
        }
        GC.SuppressFinalize(this);
    }

    public string MountPoint()
    {
        char* point = _native == null ? null : _exports.MountPoint(_native);
        return point == null ? null : new string(point);
    }

    public IntPtr FileSystemHandle() => (IntPtr)_native;

    public FileSystemBase FileSystem() => _fileSystem;

    public ulong GetOperationRequestHint() => _exports.GetOperationContext()->Request->Hint;

    public void SendReadResponse(ulong RequestHint, int Status, uint BytesTransferred) =>
        Send(TransactKind.Read, RequestHint, Status, BytesTransferred, default);

    public void SendWriteResponse(ulong RequestHint, int Status, uint BytesTransferred, ref Interop.FileInfo FileInfo) =>
        Send(TransactKind.Write, RequestHint, Status, BytesTransferred, FileInfo);

    public void SendReadDirectoryResponse(ulong RequestHint, int Status, uint BytesTransferred) =>
        Send(TransactKind.QueryDirectory, RequestHint, Status, BytesTransferred, default);

    private void Send(TransactKind kind, ulong hint, int status, uint transferred, Interop.FileInfo info)
    {
        TransactResponse response = new()
        {
            Size = TransactResponse.SizeOf,
            Kind = kind,
            Hint = hint,
            Information = transferred,
            Status = (NtStatus)status,
            WriteInfo = *(WindowsFileInfo*)&info,
        };
        _exports.SendResponse(_native, &response);
    }

    private bool Has(uint flag) => (_VolumeParams.Flags & flag) != 0;

    // As in the package: a flag can be set and never cleared.
    private void Add(uint flag, bool value) => _VolumeParams.Flags |= value ? flag : 0;

    private int Guard(Func<int> action)
    {
        try
        {
            return action();
        }
        catch (Exception e)
        {
            return StubCallbacks.Handle(_fileSystem, e);
        }
    }

    private void Delete()
    {
        GCHandle.FromIntPtr((nint)_native->UserContext).Free();
        _exports.Delete(_native);
        _native = null;
    }
}
