namespace WinLoop.Storage;

/// <summary>A block device whose end can be moved: a file that holds a container format (VHDX, qcow2, ...),
/// which grows as blocks are allocated in it, or a whole image that is resized while it is in use.</summary>
public interface IGrowableDevice : IBlockDevice
{
    /// <summary>True if <see cref="SetLength"/> is possible: not for a block device, nor for a part of a file.</summary>
    bool CanResize => !IsReadOnly;

    /// <summary>Moves the end. What is new reads as zeroes; the new size is durable after the next
    /// <see cref="IBlockDevice.Flush"/>. Not at the same time as another <see cref="SetLength"/>, but other
    /// requests inside the smaller of the two sizes may run.</summary>
    /// <param name="length">The new <see cref="IBlockDevice.Length"/> in bytes.</param>
    /// <exception cref="BlockDeviceException">ReadOnly, NoSpace, or OutOfRange: the device cannot have this size.</exception>
    void SetLength(long length);
}
