using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Binding;
using WinLoop.WinFsp.Binding.Abi;
using WinLoop.WinFsp.Hosting;
using WinLoop.WinFsp.Requests;

namespace WinLoop.WinFsp.Package;

/// <summary>The package's callbacks as requests of the same queue that our own binding uses.</summary>
internal sealed unsafe partial class PackageFileSystem(WinFspExports exports, WinFspMountOptions options) : Fsp.FileSystemBase, IResponder
{
    /// <summary>Set before the mount.</summary>
    public WindowsSession Session { get; set; } = null!;

    /// <summary>Set before the mount.</summary>
    public Fsp.FileSystemHost Host { get; set; } = null!;

    public override int ExceptionHandler(Exception exception)
    {
        Session.Log($"unexpected: {exception}");
        return unchecked((int)NtStatus.UnexpectedIoError);
    }

    public override int Init(object host)
    {
        WindowsVolumeFacts facts = Session.FileSystem.Facts;
        Host.SectorSize = facts.SectorSize;
        Host.SectorsPerAllocationUnit = facts.SectorsPerAllocationUnit;
        Host.MaxComponentLength = DirInfo.MaxName;
        Host.VolumeCreationTime = facts.CreationTime;
        Host.VolumeSerialNumber = facts.SerialNumber;
        Host.FileInfoTimeout = VolumeSettings.CacheForever;
        Host.FileSystemName = options.FileSystemName;
        VolumeFlags missing = PackageVolumeParams.Apply(Host, VolumeSettings.Flags(facts, options));
        if (missing != 0)
        {
            Session.Log($"this version of winfsp.net has no way to announce {missing}");
        }
        return 0;
    }

    public override int Mounted(object host)
    {
        // Nothing runs yet. The engine locks for itself: callbacks may run side by side.
        exports.SetOperationGuard((FileSystemHead*)Host.FileSystemHandle(), 0, 0);
        return 0;
    }

    public ulong CurrentHint() => CurrentOperation.Hint(exports);

    public void Send(WindowsRequest request)
    {
        switch ((WindowsOperation)request.Operation)
        {
            case WindowsOperation.Read:
                Host.SendReadResponse(request.Hint, (int)request.Result, (uint)request.Transferred);
                break;
            case WindowsOperation.Write:
                PackageConversions.Copy(request.Info, out Fsp.Interop.FileInfo info);
                Host.SendWriteResponse(request.Hint, (int)request.Result, (uint)request.Transferred, ref info);
                break;
            default:
                Host.SendReadDirectoryResponse(request.Hint, (int)request.Result, (uint)request.Transferred);
                break;
        }
    }

    private WindowsRequest? Rent(WindowsOperation operation, object? fileDesc)
    {
        if (fileDesc is not WindowsFile file)
        {
            return null;
        }
        WindowsRequest request = Session.Rent(operation);
        request.File = file;
        return request;
    }

    private int Run(WindowsRequest request)
    {
        NtStatus status = Session.Execute(request);
        Session.Return(request);
        return (int)status;
    }

    private int Run(WindowsRequest request, out Fsp.Interop.FileInfo info)
    {
        NtStatus status = Session.Execute(request);
        PackageConversions.Copy(request.Info, out info);
        Session.Return(request);
        return (int)status;
    }

    private static int NoSuchOpen => unchecked((int)NtStatus.InvalidHandle);

    private static int NoSuchOpenWith(out Fsp.Interop.FileInfo info)
    {
        info = default;
        return NoSuchOpen;
    }
}
