using WinLoop.Storage.Linux;
using WinLoop.Storage.Windows;

namespace WinLoop.Storage;

/// <summary>
/// What makes an image the same image whatever its path: device and inode number on Linux, volume serial
/// number and file id on Windows; for a block device the device's own number.
/// </summary>
/// <param name="IsBlockDevice">A block device, not a file.</param>
/// <param name="Volume"><c>stat.st_dev</c> or the volume's serial number; 0 for a block device.</param>
/// <param name="FileLow"><c>stat.st_ino</c> (<c>st_rdev</c> for a block device) or the low half of the file id.</param>
/// <param name="FileHigh">The high half of a 128-bit file id; 0 on Linux.</param>
public readonly record struct ImageIdentity(bool IsBlockDevice, ulong Volume, ulong FileLow, ulong FileHigh = 0)
{
    /// <summary>The identity of what a path leads to now.</summary>
    /// <exception cref="BlockDeviceException">Nothing is there, or it cannot be looked at.</exception>
    public static ImageIdentity Of(string path) =>
        OperatingSystem.IsWindows() ? WindowsBackingFile.IdentityOf(path) : LinuxBackingFile.IdentityOf(path);

    /// <summary>A short text that is unique on this machine, fit for a file name.</summary>
    public override string ToString() => IsBlockDevice
        ? $"block-{FileLow:x}"
        : FileHigh == 0 ? $"{Volume:x}-{FileLow:x}" : $"{Volume:x}-{FileHigh:x}{FileLow:x16}";
}
