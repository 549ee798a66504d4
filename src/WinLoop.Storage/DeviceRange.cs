using System.Diagnostics.CodeAnalysis;

namespace WinLoop.Storage;

/// <summary>The checks that every device makes before it touches a range.</summary>
public static class DeviceRange
{
    /// <summary>Throws unless the range lies inside the device.</summary>
    public static void Check(IBlockDevice device, long offset, long length)
    {
        // Written so that no sum can overflow.
        if (offset < 0 || length < 0 || length > device.Length - offset)
        {
            ThrowOutOfRange(device, offset, length);
        }
    }

    /// <summary>As <see cref="Check"/>, and throws if the device is read-only.</summary>
    public static void CheckWrite(IBlockDevice device, long offset, long length)
    {
        if (device.IsReadOnly)
        {
            ThrowReadOnly();
        }

        Check(device, offset, length);
    }

    [DoesNotReturn]
    private static void ThrowReadOnly() =>
        throw new BlockDeviceException(BlockDeviceError.ReadOnly, "the device is read-only");

    [DoesNotReturn]
    private static void ThrowOutOfRange(IBlockDevice device, long offset, long length) =>
        throw new BlockDeviceException(BlockDeviceError.OutOfRange,
            $"{length} bytes at offset {offset} are not inside the device of {device.Length} bytes");
}
