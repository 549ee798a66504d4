using System.Text;
using WinLoop.Fuse.Native;

namespace WinLoop.Fuse;

/// <summary>
/// Makes the kernel learn, right after mounting, that OPEN, OPENDIR and FLUSH are not wanted: it finds out by
/// asking once, and until then it also sends a RELEASE for every file that was created. The probe opens the root
/// and a file of the root that exists for this one open only; nothing of it reaches the volume.
/// </summary>
internal static class OpenProbe
{
    public static void Run(FuseSession session, string mountPoint)
    {
        string name = $".winloop-{Guid.NewGuid():N}";
        session.Probe = Encoding.ASCII.GetBytes(name);
        try
        {
            Open($"{mountPoint}/{name}");
            Open(mountPoint);
        }
        finally
        {
            session.Probe = null;
        }
    }

    // Fails without harm where it may not be opened (a mount of another user).
    private static void Open(string path)
    {
        int fd = Libc.open(path, Libc.O_RDONLY | Libc.O_CLOEXEC);
        if (fd >= 0)
        {
            Libc.close(fd);
        }
    }
}
