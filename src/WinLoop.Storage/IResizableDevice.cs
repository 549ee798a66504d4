namespace WinLoop.Storage;

/// <summary>A device whose size can change while it is in use: a whole image file.</summary>
public interface IResizableDevice : IBlockDevice
{
    /// <summary>True if <see cref="SetLength"/> is possible: not for a block device, nor for a part of a file.</summary>
    bool CanResize { get; }

    /// <summary>Makes the device longer, with zeroes, or shorter. Nobody uses what is cut off.</summary>
    /// <param name="length">The new size in bytes, a multiple of 512.</param>
    /// <exception cref="BlockDeviceException">It has its old size still.</exception>
    void SetLength(long length);
}
