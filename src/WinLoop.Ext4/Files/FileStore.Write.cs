using WinLoop.Ext4.Allocation;
using WinLoop.Ext4.Extents;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;

namespace WinLoop.Ext4.Files;

// Writing.
internal sealed partial class FileStore
{
    private const int WriteCredits = ExtentTree.InsertCredits + (2 * BlockAllocator.CreditsPerGroup) + InodeCredits;

    // Up to this size a write with partial blocks is copied and written in one piece.
    private const int MaxCopiedWrite = 32 << 10;

    /// <summary>Writes all of <paramref name="buffer"/>, or what fits: fewer bytes only when the volume became
    /// full or the device failed in the middle, and where the mode has somebody who asks for the rest.</summary>
    /// <exception cref="Ext4Exception">EFBIG, ENOSPC.</exception>
    public int Write(Inode inode, ReadOnlySpan<byte> buffer, long offset, Caller caller, bool updateTimes, WriteMode mode = WriteMode.Normal)
    {
        if (buffer.IsEmpty)
        {
            return 0;
        }
        if (mode == WriteMode.Append)
        {
            return Append(inode, buffer, caller, updateTimes);
        }
        if (offset < 0)
        {
            throw new Ext4Exception(Errno.EINVAL);
        }
        if (mode == WriteMode.Constrained)
        {
            long rest = Math.Max(0, inode.Size - offset); // a hint; the lock decides again
            buffer = buffer[..(int)Math.Min(buffer.Length, rest)];
            if (buffer.IsEmpty)
            {
                return 0;
            }
        }
        if (offset > MaxSize(inode) - buffer.Length)
        {
            throw new Ext4Exception(Errno.EFBIG);
        }
        int done = 0;
        if (offset <= inode.Size - buffer.Length) // a hint; the lock decides
        {
            done = Overwrite(inode, buffer, offset, updateTimes, out bool timesAreFresh);
            if (done == buffer.Length && timesAreFresh)
            {
                return done;
            }
        }
        inode.Lock.EnterWrite();
        try
        {
            RequireAlive(inode);
            if (mode == WriteMode.Constrained && offset + buffer.Length > inode.Size)
            {
                buffer = buffer[..(int)Math.Max(done, inode.Size - offset)];
            }
            return buffer.Length == 0 ? 0 : WriteLocked(inode, buffer, offset, done, caller, updateTimes, mode);
        }
        finally
        {
            inode.Lock.ExitWrite();
        }
    }

    private int Append(Inode inode, ReadOnlySpan<byte> buffer, Caller caller, bool updateTimes)
    {
        inode.Lock.EnterWrite();
        try
        {
            RequireAlive(inode);
            if (inode.Size > MaxSize(inode) - buffer.Length)
            {
                throw new Ext4Exception(Errno.EFBIG);
            }
            return WriteLocked(inode, buffer, inode.Size, 0, caller, updateTimes, WriteMode.Append);
        }
        finally
        {
            inode.Lock.ExitWrite();
        }
    }

    // Writes what is inside the file and on valid blocks, next to other readers and writers. Returns how much
    // that was.
    private int Overwrite(Inode inode, ReadOnlySpan<byte> buffer, long offset, bool updateTimes, out bool timesAreFresh)
    {
        inode.Lock.EnterRead();
        try
        {
            RequireAlive(inode);
            int done = 0;
            int limit = (int)Math.Clamp(inode.Size - offset, 0, buffer.Length);
            while (done < limit)
            {
                ExtentMapping run = volume.Extents.Map(inode, BlockOf(offset + done));
                if (run.State != ExtentState.Written)
                {
                    break;
                }
                int length = (int)Math.Min(limit - done, BytesTo(run.End) - (offset + done));
                Device.Write(buffer.Slice(done, length), Position(run, offset + done));
                done += length;
            }
            if (done > 0)
            {
                inode.HasUnflushedData = true;
            }
            timesAreFresh = !updateTimes || IsFresh(inode, Now(inode));
            return done;
        }
        finally
        {
            inode.Lock.ExitRead();
        }
    }

    private int WriteLocked(Inode inode, ReadOnlySpan<byte> buffer, long offset, int done, Caller caller, bool updateTimes, WriteMode mode)
    {
        bool isWhole = mode is WriteMode.Whole or WriteMode.Constrained;
        Timestamp now = updateTimes ? Now(inode) : default;
        try
        {
            if (offset > inode.Size)
            {
                ZeroTail(inode, offset);
            }
            while (done < buffer.Length)
            {
                long at = offset + done;
                ExtentMapping run = volume.Extents.Map(inode, BlockOf(at)).From(BlockOf(at));
                ReadOnlySpan<byte> rest = buffer[done..];
                int length = (int)Math.Min(rest.Length, BytesTo(run.End) - at);
                switch (run.State)
                {
                    case ExtentState.Written:
                        Device.Write(rest[..length], Position(run, at));
                        inode.HasUnflushedData = true;
                        break;
                    case ExtentState.Unwritten:
                        FillUnwritten(inode, rest[..length], at, run, now);
                        break;
                    default:
                        length = FillHole(inode, rest[..length], at, caller, now);
                        break;
                }
                done += length;
            }
        }
        catch (Exception e) when (done > 0 && !isWhole && e is Ext4Exception or Storage.BlockDeviceException)
        {
            // What was written stays; the caller asks for the rest and gets the reason then.
        }
        if (offset + done > inode.Size || (updateTimes && done > 0 && !IsFresh(inode, now)))
        {
            using Handle handle = volume.Journal.Start(InodeCredits);
            Finish(handle, inode, offset + done, now);
        }
        return done;
    }

    // Allocates blocks for the start of a hole, writes them, and only then maps them. Returns how many bytes
    // of the buffer have found room.
    private int FillHole(Inode inode, ReadOnlySpan<byte> buffer, long offset, Caller caller, Timestamp now)
    {
        if (!inode.HasExtents)
        {
            throw new Ext4NotSupportedException("block map", $"inode {inode.Number} has no extents and cannot grow");
        }
        uint logical = BlockOf(offset);
        for (bool isRetry = false; ; isRetry = true)
        {
            uint wanted = Math.Min(BlocksUpTo(offset + buffer.Length) - logical, ExtentNode.MaxWritten);
            BlockReservation blocks = volume.Blocks.Reserve(inode, logical, volume.Extents.Goal(inode, logical), wanted, caller);
            try
            {
                int length = (int)Math.Min(buffer.Length, BytesTo(logical + blocks.Length) - offset);
                WriteWholeBlocks(buffer[..length], offset, blocks.Physical);
                inode.HasUnflushedData = true;
                using Handle handle = volume.Journal.Start(WriteCredits);
                volume.Extents.InsertMapping(handle, inode, new ExtentMapping(logical, blocks.Physical, blocks.Length, ExtentState.Written));
                BlockReservation taken = blocks;
                blocks = default;
                volume.Blocks.Commit(handle, inode, taken);
                Finish(handle, inode, offset + length, now);
                return length;
            }
            catch (Ext4Exception e) when (e.Errno == Errno.ENOSPC && !isRetry)
            {
                // There was room for the data, but not for a node of the extent tree.
            }
            finally
            {
                if (blocks.Length != 0)
                {
                    volume.Blocks.Cancel(blocks);
                }
            }
            volume.Blocks.DropPreallocation(inode);
            volume.Journal.Commit(volume.Journal.RunningTid);
        }
    }

    // Writes into blocks that are allocated but not valid, then declares those that were written valid.
    private void FillUnwritten(Inode inode, ReadOnlySpan<byte> buffer, long offset, in ExtentMapping run, Timestamp now)
    {
        uint count = BlocksUpTo(offset + buffer.Length) - run.Logical;
        WriteWholeBlocks(buffer, offset, run.Physical);
        inode.HasUnflushedData = true;
        try
        {
            using Handle handle = volume.Journal.Start(ExtentTree.InsertCredits + InodeCredits);
            volume.Extents.Convert(handle, inode, run.Logical, count, ExtentState.Written);
            Finish(handle, inode, offset + buffer.Length, now);
        }
        catch (Ext4Exception e) when (e.Errno == Errno.ENOSPC)
        {
            ConvertWithoutRoom(inode, run, count, offset + buffer.Length, now);
        }
    }

    // The volume is full and splitting the extent needs a tree node; but the space was promised. So the whole
    // extent becomes valid, after zeroes were written to the rest of it, as far as the file reaches.
    private void ConvertWithoutRoom(Inode inode, in ExtentMapping run, uint written, long end, Timestamp now)
    {
        // From the extent's very start: what the caller sees may begin in the middle of it.
        ExtentMapping whole = volume.Extents.Map(inode, run.Logical);
        uint fileEnd = BlocksUpTo(Math.Max(inode.Size, end));
        uint from = whole.Logical, to = Math.Min(whole.End, fileEnd);
        Zero(whole, from, run.Logical);
        Zero(whole, run.Logical + written, to);
        using Handle handle = volume.Journal.Start(ExtentTree.InsertCredits + InodeCredits);
        volume.Extents.Convert(handle, inode, from, to - from, ExtentState.Written);
        Finish(handle, inode, end, now);

        void Zero(in ExtentMapping mapping, uint first, uint behind)
        {
            if (first < behind)
            {
                Device.WriteZeroes((long)(mapping.PhysicalOf(first) << _bits), BytesTo(behind - first));
            }
        }
    }

    // Writes the bytes to freshly allocated blocks, with zeroes around them so that every touched block is
    // whole. `physical` belongs to the block that holds `offset`.
    private void WriteWholeBlocks(ReadOnlySpan<byte> buffer, long offset, ulong physical)
    {
        long position = (long)(physical << _bits);
        int head = (int)(offset & (_blockSize - 1));
        int tail = (int)(-(offset + buffer.Length) & (_blockSize - 1));
        if ((head | tail) == 0)
        {
            Device.Write(buffer, position);
            return;
        }
        using BounceBuffers.Lease lease = _bounce.Rent();
        Span<byte> scratch = lease.Span;
        int total = head + buffer.Length + tail;
        if (total <= Math.Max(MaxCopiedWrite, _blockSize))
        {
            scratch[..head].Clear();
            buffer.CopyTo(scratch[head..]);
            scratch[(head + buffer.Length)..total].Clear();
            Device.Write(scratch[..total], position);
            return;
        }
        if (head != 0)
        {
            int part = _blockSize - head;
            scratch[..head].Clear();
            buffer[..part].CopyTo(scratch[head..]);
            Device.Write(scratch[.._blockSize], position);
            buffer = buffer[part..];
            position += _blockSize;
        }
        int whole = buffer.Length & -_blockSize;
        if (whole != 0)
        {
            Device.Write(buffer[..whole], position);
            buffer = buffer[whole..];
            position += whole;
        }
        if (!buffer.IsEmpty)
        {
            buffer.CopyTo(scratch);
            scratch[buffer.Length.._blockSize].Clear();
            Device.Write(scratch[.._blockSize], position);
        }
    }

    // The end of a write inside its handle: size, times, inode.
    private void Finish(Handle handle, Inode inode, long end, Timestamp now)
    {
        if (end > inode.Size)
        {
            SetSize(handle, inode, end);
        }
        if (now != default)
        {
            SetTimes(inode, now);
        }
        volume.Inodes.Write(handle, inode);
    }
}
