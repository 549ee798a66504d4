using WinLoop.Fuse;
using WinLoop.Mounting;

namespace WinLoop.Cli.Serving;

/// <summary>Explains what the FUSE host throws; everything else is left to <see cref="Failures"/>.</summary>
internal static class FuseFailures
{
    private const int NoDevice = 19, NotPermitted = 1, AccessDenied = 13;

    internal static MountException Explain(Exception exception, string what)
    {
        if (exception is not FuseMountException e)
        {
            return Failures.Explain(exception, what);
        }
        return e.Errno switch
        {
            NoDevice => new MountException(MountError.HostMissing, what, e.Message, "Load the kernel module: 'modprobe fuse'.", e),
            NotPermitted or AccessDenied => new MountException(MountError.Denied, what, e.Message,
                "Run it as root, or let users mount: /dev/fuse must be writable and fuse3 installed.", e),
            _ => Failures.ExplainErrno(e.Errno, what, e.Message, e),
        };
    }
}
