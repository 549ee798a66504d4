using WinLoop.Fuse;
using WinLoop.Mounting;
using WinLoop.Mounting.Linux;

namespace WinLoop.Service.Frontends;

/// <summary>Explains what the FUSE host throws; everything else is left to <see cref="Failures"/>.</summary>
internal static class FuseFailures
{
    private const int NoDevice = 19, NoEntry = 2, NotPermitted = 1, AccessDenied = 13;

    private const string AccessHint = "Run it as root, or let users mount: /dev/fuse must be open to them.";

    internal static MountException Explain(Exception exception, string what)
    {
        if (exception is not FuseMountException e)
        {
            return Failures.Explain(exception, what);
        }
        return e.Errno switch
        {
            NoDevice => new MountException(MountError.HostMissing, what, e.Message, "Load the kernel module: 'modprobe fuse'.", e),
            NoEntry when e.Message.Contains("fusermount3", StringComparison.Ordinal) =>
                new MountException(MountError.HostMissing, what, e.Message, "Install the package fuse3, or run it as root.", e),
            NotPermitted or AccessDenied => new MountException(MountError.Denied, what, e.Message, AccessHint, e),
            // fusermount3 has words only. Everything it refuses, it refuses to this user.
            0 when !CurrentUser.IsRoot => e.Message.Contains("device not found", StringComparison.Ordinal)
                ? new MountException(MountError.HostMissing, what, e.Message, "Load the kernel module: 'modprobe fuse'.", e)
                : new MountException(MountError.Denied, what, e.Message, AccessHint, e),
            _ => Failures.ExplainErrno(e.Errno, what, e.Message, e),
        };
    }
}
