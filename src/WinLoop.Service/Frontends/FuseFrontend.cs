using System.Diagnostics;
using WinLoop.Fuse;
using WinLoop.Mounting;
using WinLoop.Mounting.Linux;

namespace WinLoop.Service.Frontends;

/// <summary>Mounts through FUSE.</summary>
internal sealed class FuseFrontend : Frontend
{
    private static readonly TimeSpan SyncLimit = TimeSpan.FromSeconds(10);

    internal override void Require(string what)
    {
        if (!File.Exists("/dev/fuse"))
        {
            throw new MountException(MountError.HostMissing, what, "this system has no /dev/fuse", "Load the kernel module: 'modprobe fuse'.");
        }
    }

    internal override MountPoint Prepare(string? directory, string image) => MountPoint.Prepare(directory, image);

    internal override IMountHost Mount(MountRequest request, MountedImage image, MountPoint mountPoint, Action<string> log,
        ServiceUser? user = null, string? kernelTarget = null)
    {
        // For a user no set-user-id program or device of his image is honoured, whoever mounts it.
        bool privileged = CurrentUser.IsRoot && user is null or { Uid: 0 };
        if (CurrentUser.IsRoot)
        {
            // The kernel claims a block device for the mount; until now this process did.
            image.Image.Image.ReleaseClaim();
        }
        return FuseHost.Mount(image.Volume, mountPoint.Path, new FuseMountOptions
        {
            Source = image.Image.Path,
            // In a container the volume has no place of its own.
            Offset = image.Image.Format is null ? image.Image.Offset : 0,
            SizeLimit = image.Image.Format is null ? image.Image.Size : 0,
            IsReadOnly = image.Volume.IsReadOnly,
            MountWords = request.Options.ToMountWords(image.Volume.IsReadOnly, privileged),
            AllowOther = request.Options.AllowOther ?? privileged,
            Log = log,
            User = CurrentUser.IsRoot && user is not null ? (user.Uid, user.Gid) : null,
            OpenSource = user is null ? null : image.Image.Image.DescriptorPath,
            Target = kernelTarget,
        });
    }

    internal override void FlushSystem(IMountHost host)
    {
        // Only its user can open anything in a mount that is closed to others.
        if (((FuseHost)host).OnlyUser is { } user)
        {
            SyncAs(user, host.MountPoint);
        }
    }

    // An error other than "busy" means that somebody else undid the mount: then its end is on the way.
    internal override bool TryUnmount(IMountHost host) => Unmounter.Unmount(((FuseHost)host).Target) != Unmounter.Busy;

    internal override void CutOff(IMountHost host)
    {
        FlushSystem(host);
        Unmounter.Abort(((FuseHost)host).Target);
    }

    // In a process of its own: a thread of this one with the user's id could be killed by him, and the process with it.
    private static void SyncAs((uint Uid, uint Gid) user, string directory)
    {
        var start = new ProcessStartInfo("setpriv",
            [$"--reuid={user.Uid}", $"--regid={user.Gid}", "--clear-groups", "--no-new-privs", "sync", "-f", directory]) { RedirectStandardError = true };
        try
        {
            using Process process = Process.Start(start)!;
            if (!process.WaitForExit(SyncLimit))
            {
                process.Kill(entireProcessTree: true);
            }
        }
        catch (System.ComponentModel.Win32Exception)
        {
            // Without util-linux only what is mapped into memory and not written yet is lost.
        }
    }

    internal override IReadOnlyList<string> FindUsers(IMountHost host) => OpenFiles.FindUsers(host.MountPoint);

    internal override MountException Explain(Exception exception, string what) => FuseFailures.Explain(exception, what);
}
