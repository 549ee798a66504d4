namespace WinLoop.Storage;

/// <summary>A partition of an image. If it is the last one and the image can change its size, so can the partition: the table
/// is changed with it.</summary>
public sealed class PartitionDevice : SliceDevice, IGrowableDevice
{
    private readonly int _number;

    /// <summary>Makes it.</summary>
    /// <param name="image">The image.</param>
    /// <param name="partition">The partition, as the image's table has it.</param>
    /// <param name="ownsImage">Disposing the partition disposes the image.</param>
    /// <exception cref="BlockDeviceException">The partition is not inside the image.</exception>
    public PartitionDevice(IBlockDevice image, Partition partition, bool ownsImage = false)
        : base(image, partition.Start, partition.Length, ownsImage) => _number = partition.Number;

    /// <inheritdoc/>
    public bool CanResize => Parent is IGrowableDevice { CanResize: true } && Find(out _) is not null;

    /// <summary>Moves the end of the partition. The image grows first if that is needed; it is never made shorter.</summary>
    /// <param name="length">The new <see cref="IBlockDevice.Length"/> in bytes; rounded up to sectors.</param>
    /// <exception cref="BlockDeviceException">OutOfRange: the table cannot be changed, or not so far. ReadOnly, NoSpace, Io.</exception>
    public void SetLength(long length)
    {
        LastPartition? last = Find(out string? whyNot);
        if (last is null || Parent is not IGrowableDevice { CanResize: true } image)
        {
            throw new BlockDeviceException(BlockDeviceError.OutOfRange, whyNot ?? "the size of the image is fixed");
        }
        if (length > last.MaximumLength)
        {
            throw new BlockDeviceException(BlockDeviceError.OutOfRange, $"partition {_number} can have {last.MaximumLength} bytes at most: that is as far as an MBR can count");
        }
        long needed = last.ImageLengthFor(length);
        if (needed > image.Length)
        {
            image.SetLength(needed);
            image.Flush(); // or the table could say what the image does not have
        }
        last.SetLength(length, image.Length);
        Length = last.Length;
    }

    private LastPartition? Find(out string? whyNot)
    {
        try
        {
            return LastPartition.TryFind(Parent, _number, out whyNot);
        }
        catch (PartitionTableException e)
        {
            whyNot = e.Message;
            return null;
        }
    }
}
