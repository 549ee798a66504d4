using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using WinLoop.Mounting;
using WinLoop.Mounting.Linux;
using WinLoop.Service.Kept;
using WinLoop.Service.Mounts;

namespace WinLoop.Service.Linux;

/// <summary>
/// Remembered images on Linux. Root opens them, so it opens no more than the user could: the very file that he had
/// open then, and only if it is his own and lets him.
/// </summary>
internal sealed class LinuxKeptImages : KeptImages
{
    private const int ELoop = 40;
    private const ushort OwnerMayRead = 0x100, OwnerMayWrite = 0x80;

    /// <inheritdoc/>
    internal override ServiceUser UserOf(KeptMount mount) =>
        uint.TryParse(mount.Owner, NumberStyles.None, CultureInfo.InvariantCulture, out uint uid) &&
        uint.TryParse(mount.Group, NumberStyles.None, CultureInfo.InvariantCulture, out uint gid)
            ? ServiceUser.OfLinux(uid, gid, CurrentUser.Uid)
            : throw new MountException(MountError.Failed, $"cannot mount {mount.Order.Image}", "it was not remembered whose it is");

    /// <inheritdoc/>
    internal override string GroupOf(ServiceUser user) => user.Gid.ToString(CultureInfo.InvariantCulture);

    /// <inheritdoc/>
    internal override ImageHandle Open(KeptMount mount, string what)
    {
        int mode = mount.IsWritable ? LinuxFiles.O_RDWR : LinuxFiles.O_RDONLY;
        SafeFileHandle file = LinuxFiles.TryOpenStraight(mount.Order.Image, mode | LinuxFiles.O_NONBLOCK, out int errno)
            ?? throw (errno == ELoop ? new MountException(MountError.Denied, what, "a symbolic link is on its path now")
                : errno == 2 ? new MountException(MountError.NotFound, what, "it is not there any more") : LinuxFiles.Explain(errno, what));
        try
        {
            LinuxFiles.Status status = LinuxFiles.StatusOf(file);
            ServiceUser user = UserOf(mount);
            if (!status.IsImage)
            {
                throw new MountException(MountError.Usage, what, "it is no file any more");
            }
            int needed = OwnerMayRead | (mount.IsWritable ? OwnerMayWrite : 0);
            if (!user.IsAdministrator && (status.Uid != user.Uid || (status.Mode & needed) != needed))
            {
                throw new WaitException("the image is not the user's own, so it waits for him");
            }
            return LinuxFiles.FingerprintOf(LinuxFiles.PathOf(file)) == mount.Fingerprint
                ? new ImageHandle(file, mount.Order.Image, !mount.IsWritable, null)
                : throw new MountException(MountError.Failed, what, "another file is in its place now", "Mount it again to use that one.");
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    internal override MountTarget FindTarget(KeptMount mount, string image)
    {
        if (mount.Order.Directory is not { } directory)
        {
            return PinnedDirectory.Make(image);
        }
        string what = $"cannot mount on {directory}";
        using SafeFileHandle handle = LinuxFiles.TryOpenStraight(directory, LinuxFiles.O_PATH | LinuxFiles.O_DIRECTORY, out int errno)
            ?? throw LinuxFiles.Explain(errno, what);
        return PinnedDirectory.Pin(handle, UserOf(mount));
    }
}
