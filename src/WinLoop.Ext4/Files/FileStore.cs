using WinLoop.Ext4.Extents;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;
using WinLoop.Storage;

namespace WinLoop.Ext4.Files;

/// <summary>
/// File content: read, write, truncate, allocate, seek. Takes the inode lock itself. Data goes straight
/// between the caller's buffer and the device; only mappings and sizes are journaled, after the data.
/// </summary>
/// <remarks>The rule behind every order here: a mapping or a size reaches the journal only when all bytes that
/// it makes readable have been written to the device. The commit's flush then covers them.</remarks>
internal sealed partial class FileStore(Ext4Volume volume)
{
    // Inode, superblock (large_file) and a little more.
    private const int InodeCredits = 4;

    // A file's times move in steps of this; a file that is overwritten all the time does not fill the journal.
    private const long TimeGranularityTicks = 4 * TimeSpan.TicksPerMillisecond;

    private readonly int _bits = volume.Geometry.BlockSizeBits;
    private readonly int _blockSize = volume.Geometry.BlockSize;
    private readonly BounceBuffers _bounce = new(volume.Geometry.BlockSize);

    private IBlockDevice Device => volume.Device;

    private readonly long _maxSize = MaxSize(volume.Geometry);

    /// <summary>The largest size of a file in bytes.</summary>
    internal long MaxSize(Inode inode)
    {
        if (inode.HasExtents)
        {
            return _maxSize;
        }
        long pointers = _blockSize / 4;
        return Math.Min(_maxSize, (12 + pointers + (pointers * pointers) + (pointers * pointers * pointers)) << _bits);
    }

    private static long MaxSize(Geometry geometry)
    {
        long limit = (long)ExtentNode.LogicalEnd << geometry.BlockSizeBits;
        // Without huge_file i_blocks holds no more than 2^32 - 1 sectors.
        long sectors = (uint.MaxValue & ~(uint)(geometry.SectorsPerBlock - 1)) * 512L;
        return geometry.Has(RoCompatFeatures.HugeFile) ? limit : Math.Min(limit, sectors);
    }

    private uint BlockOf(long offset) => (uint)(offset >> _bits);

    private uint BlocksUpTo(long offset) => (uint)((offset + _blockSize - 1) >> _bits);

    private long BytesTo(uint block) => (long)block << _bits;

    private long Position(in ExtentMapping mapping, long offset) =>
        (long)(mapping.Physical << _bits) + (offset - BytesTo(mapping.Logical));

    // Writes zeroes over the part of one block that is allocated and valid; holes and unwritten blocks are
    // zero as they are.
    private void ZeroWritten(Inode inode, long from, long to)
    {
        if (from >= to)
        {
            return;
        }
        ExtentMapping mapping = volume.Extents.Map(inode, BlockOf(from));
        if (mapping.State == ExtentState.Written)
        {
            using BounceBuffers.Lease lease = _bounce.Rent();
            Span<byte> zeroes = lease.Span[..(int)(to - from)];
            zeroes.Clear();
            Device.Write(zeroes, Position(mapping, from));
            inode.HasUnflushedData = true;
        }
    }

    // Before the size grows over it, the rest of the last block has to read as zeroes.
    private void ZeroTail(Inode inode, long limit)
    {
        long size = inode.Size;
        long end = Math.Min(limit, (size + _blockSize - 1) & -_blockSize);
        ZeroWritten(inode, size, end);
    }

    private void SetSize(Handle handle, Inode inode, long size)
    {
        inode.Size = size;
        inode.DataSyncTid = handle.Tid;
        if (size > int.MaxValue && !volume.Superblock.Has(RoCompatFeatures.LargeFile))
        {
            volume.Superblock.RoCompat |= RoCompatFeatures.LargeFile;
            handle.JoinSuperblock();
        }
    }

    // The current time, as exact as the inode can hold it.
    private static Timestamp Now(Inode inode)
    {
        Timestamp now = Timestamp.Now;
        return InodeRecord.HasField(inode.ExtraSize, InodeRecord.CtimeExtraAt + 4) &&
               InodeRecord.HasField(inode.ExtraSize, InodeRecord.MtimeExtraAt + 4) ? now : now with { Nanoseconds = 0 };
    }

    private static void SetTimes(Inode inode, Timestamp now)
    {
        inode.ModifyTime = now;
        inode.ChangeTime = now;
        inode.Version = unchecked(inode.Version + 1);
    }

    // True if the inode says "just now" already.
    private static bool IsFresh(Inode inode, Timestamp now)
    {
        Timestamp then = inode.ModifyTime;
        long ticks = ((now.Seconds - then.Seconds) * TimeSpan.TicksPerSecond) + (((long)now.Nanoseconds - then.Nanoseconds) / 100);
        return ticks is >= 0 and < TimeGranularityTicks && inode.ChangeTime == then;
    }

    private static void RequireAlive(Inode inode) => Ext4Volume.RequireAlive(inode);
}
