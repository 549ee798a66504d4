using WinLoop.Storage;

namespace WinLoop.Ext4;

// FITRIM: what no file uses is given back to the storage below.
public sealed partial class Ext4Volume
{
    /// <summary>Discards free blocks on the device, so that an image file has no storage for them. The volume may be in
    /// use. Blocks that were freed before the call are among them.</summary>
    /// <param name="start">The first byte of the volume that is looked at.</param>
    /// <param name="length">How many bytes from there on.</param>
    /// <param name="minimum">Runs of fewer bytes are left.</param>
    /// <returns>Bytes discarded; also those that were before.</returns>
    /// <exception cref="Ext4Exception">EINVAL: outside the volume; EROFS; EIO.</exception>
    /// <exception cref="BlockDeviceException">The device failed.</exception>
    /// <exception cref="Ext4CorruptException">A group descriptor is damaged. Groups with damaged bitmaps are left out.</exception>
    public long Trim(long start = 0, long length = long.MaxValue, long minimum = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfNegative(minimum);
        try
        {
            RequireWritable();
            int bits = Geometry.BlockSizeBits;
            ulong from = Math.Max((ulong)start >> bits, Geometry.FirstDataBlock);
            ulong end = Math.Min(((ulong)start + (ulong)length) >> bits, Geometry.BlocksCount);
            if (from >= Geometry.BlocksCount)
            {
                throw new Ext4Exception(Errno.EINVAL, $"byte {start} is behind the volume's end");
            }
            if (Journal.IsActive)
            {
                // Blocks of a deleted file are free when the deletion is durable.
                Journal.Commit(Journal.RunningTid);
            }
            ulong least = Math.Max(1, ((ulong)minimum + (ulong)Geometry.BlockSize - 1) >> bits);
            return (long)(Blocks.Trim(from, end, least) << bits);
        }
        catch (Exception e) when (OnFailure(e))
        {
            throw;
        }
    }
}
