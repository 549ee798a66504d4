using System.Runtime.Versioning;
using WinLoop.Mounting;
using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Binding;
using WinLoop.WinFsp.Hosting;

namespace WinLoop.Service.Frontends;

/// <summary>Mounts through WinFsp.</summary>
[SupportedOSPlatform("windows")]
internal sealed class WinFspFrontend : Frontend
{
    internal override void Require(string what)
    {
        try
        {
            WinFspLibrary.Require();
        }
        catch (WinFspMissingException e)
        {
            throw Explain(e, what);
        }
    }

    internal override MountPoint Prepare(string? directory, string image) =>
        new(DriveMountPoint.Parse(directory, Path.Exists), IsOwned: false);

    internal override IMountHost Mount(MountRequest request, MountedImage image, MountPoint mountPoint, Action<string> log,
        ServiceUser? user = null, string? kernelTarget = null)
    {
        WindowsMountOptions options = request.Windows;
        (byte[] owner, byte[] group) = user is { Sid: { } sid } ? (sid, user.GroupSid ?? sid) : CurrentToken.Read();
        IMountHost host = WinFspHost.Mount(image.Volume, new WinFspMountOptions
        {
            MountPoint = mountPoint.Path,
            FileSystemName = options.FileSystemName,
            FastCache = options.FastCache,
            Windows = options.Meaning with { OwnerSid = owner, GroupSid = group },
            Log = log,
        });
        DriveIcon.Show(host.MountPoint, isForAll: user is not null);
        return host;
    }

    internal override void CleanUp(IMountHost host, bool isOfService) => DriveIcon.Hide(host.MountPoint, isForAll: isOfService);

    internal override void FlushSystem(IMountHost host) => ((WindowsHost)host).FlushSystem();

    internal override bool TryUnmount(IMountHost host)
    {
        try
        {
            ((WindowsHost)host).Unmount();
            return true;
        }
        catch (WinFspMountException e) when (e.Status == NtStatus.DeviceBusy)
        {
            return false;
        }
    }

    internal override void CutOff(IMountHost host) => ((WindowsHost)host).Unmount(force: true);

    internal override IReadOnlyList<string> FindUsers(IMountHost host) => ((WindowsHost)host).FindUsers();

    internal override MountException Explain(Exception exception, string what) => exception switch
    {
        WinFspMissingException e => new MountException(MountError.HostMissing, what, e.Message.TrimEnd('.'),
            "WinFsp is free: https://winfsp.dev/rel", e),
        WinFspMountException e => new MountException(e.Status switch
        {
            NtStatus.ObjectNameCollision or NtStatus.DeviceBusy => MountError.Busy,
            NtStatus.AccessDenied => MountError.Denied,
            NtStatus.ObjectPathNotFound => MountError.NotFound,
            NtStatus.ObjectNameInvalid or NtStatus.InvalidParameter => MountError.Usage,
            _ => MountError.Failed,
        }, what, e.Message, null, e),
        _ => Failures.Explain(exception, what),
    };
}
