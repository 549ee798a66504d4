using System.Runtime.InteropServices;
using WinLoop.Fuse.Native;

namespace WinLoop.Fuse.Mounting;

/// <summary>Mounting with mount(2), as root.</summary>
internal static class DirectMount
{
    private const string Subtype = ".ext4";

    /// <summary>The data string of mount(2) for FUSE; everything else is in the flag bits.</summary>
    public static string BuildData(int fd, uint uid, uint gid, int maxRead, bool isBlockDevice, bool allowOther = true) =>
        $"fd={fd},rootmode=40000,user_id={uid},group_id={gid},default_permissions{(allowOther ? ",allow_other" : "")},max_read={maxRead}" +
        (isBlockDevice ? ",blksize=4096" : "");

    /// <summary>Mounts; returns an errno, 0 if it is mounted.</summary>
    public static int TryMount(int fd, string source, string mountPoint, ulong flags, int maxRead, bool isBlockDevice, FuseMountOptions options)
    {
        (uint uid, uint gid) = options.User ?? (0, 0);
        string data = BuildData(fd, uid, gid, maxRead, isBlockDevice, options.AllowOther || uid == 0);
        string type = TypeName(isBlockDevice);
        return Libc.mount(source, mountPoint, type, flags, data) == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    public static string TypeName(bool isBlockDevice) => (isBlockDevice ? "fuseblk" : "fuse") + Subtype;
}
