using WinLoop.Fuse;
using WinLoop.Mounting;
using WinLoop.Mounting.Linux;

namespace WinLoop.Service.Frontends;

/// <summary>Mounts through FUSE.</summary>
internal sealed class FuseFrontend : Frontend
{
    internal override void Require(string what)
    {
        if (!File.Exists("/dev/fuse"))
        {
            throw new MountException(MountError.HostMissing, what, "this system has no /dev/fuse", "Load the kernel module: 'modprobe fuse'.");
        }
    }

    internal override MountPoint Prepare(string? directory, string image) => MountPoint.Prepare(directory, image);

    internal override IMountHost Mount(MountRequest request, MountedImage image, MountPoint mountPoint, Action<string> log)
    {
        bool privileged = CurrentUser.IsRoot;
        if (privileged)
        {
            // The kernel claims a block device for the mount; until now this process did.
            image.Image.Image.ReleaseClaim();
        }
        return FuseHost.Mount(image.Volume, mountPoint.Path, new FuseMountOptions
        {
            Source = image.Image.Path,
            Offset = image.Image.Offset,
            SizeLimit = image.Image.Size,
            IsReadOnly = image.Volume.IsReadOnly,
            MountWords = request.Options.ToMountWords(image.Volume.IsReadOnly, privileged),
            AllowOther = request.Options.AllowOther ?? privileged,
            Log = log,
        });
    }

    // An error other than "busy" means that somebody else undid the mount: then its end is on the way.
    internal override bool TryUnmount(IMountHost host) => Unmounter.Unmount(host.MountPoint) != Unmounter.Busy;

    internal override void CutOff(IMountHost host) => Unmounter.Abort(host.MountPoint);

    internal override IReadOnlyList<string> FindUsers(IMountHost host) => OpenFiles.FindUsers(host.MountPoint);

    internal override MountException Explain(Exception exception, string what) => FuseFailures.Explain(exception, what);
}
