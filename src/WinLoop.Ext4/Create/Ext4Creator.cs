using WinLoop.Storage;

namespace WinLoop.Ext4.Create;

/// <summary>Makes new ext4 volumes, placed as <c>mkfs.ext4</c> places them.</summary>
public static class Ext4Creator
{
    /// <summary>Writes a new, empty file system over all of a device. What was on it is lost.</summary>
    /// <param name="device">The device; it stays open.</param>
    /// <param name="options">What to make.</param>
    /// <exception cref="Ext4Exception">EINVAL: an option is impossible; ENOSPC: the device is too small;
    /// EFBIG: it is too large for the options; EROFS: it is read-only. The device is unchanged.</exception>
    /// <exception cref="BlockDeviceException">The device failed; it holds no file system now.</exception>
    public static void Create(IBlockDevice device, Ext4CreateOptions options)
    {
        if (device.IsReadOnly)
        {
            throw new Ext4Exception(Errno.EROFS, "the device is read-only");
        }
        VolumeParameters parameters = VolumeParameters.Compute(device, options);
        VolumeLayout layout = VolumeLayout.Compute(parameters);
        new VolumeWriter(device, parameters, layout, options).Write();
    }
}
