using WinLoop.Ext4.Allocation;
using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Extents;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Inodes;
using WinLoop.Ext4.Journal;
using WinLoop.Ext4.Journal.Recovery;
using WinLoop.Storage;

namespace WinLoop.Ext4.Resize;

/// <summary>
/// Moves the journal out of what is to be cut off, piece by piece. A transaction cannot do that: whoever replays it has
/// opened the journal where it was. So the new blocks become a spare part of the journal's inode first, behind its end;
/// then, with the log closed and the volume marked clean, one write of one sector exchanges old and new blocks in the
/// inode; then the spare part, which is the old blocks now, is freed. Every state between is a sound volume with a
/// sound journal.
/// </summary>
internal sealed class JournalMover(Ext4Volume volume, ulong limit)
{
    private const int SectorSize = 512;

    /// <summary>Moves what lies at or behind the limit.</summary>
    /// <exception cref="Ext4NotSupportedException">The journal is in too many pieces, or there is no room for it in few.</exception>
    public void MoveAll()
    {
        if (!volume.Geometry.Has(CompatFeatures.HasJournal))
        {
            return;
        }
        Inode inode = volume.Inodes.Get(volume.Superblock.JournalInode);
        try
        {
            uint blocks = (uint)(inode.Size >> volume.Geometry.BlockSizeBits);
            List<(ExtentMapping Piece, ulong Physical)>? plan = Plan(inode, blocks) ?? throw TooManyPieces();
            // What a move that was cut off has left; it may lie behind the limit, too.
            FreeSpare(inode, blocks);
            foreach ((ExtentMapping piece, ulong physical) in plan)
            {
                Move(inode, piece, physical, blocks);
            }
        }
        finally
        {
            volume.Release(inode);
        }
    }

    /// <summary>True if a piece of the journal is in the way, but cannot be moved.</summary>
    public bool IsStuck()
    {
        if (!volume.Geometry.Has(CompatFeatures.HasJournal))
        {
            return false;
        }
        Inode inode = volume.Inodes.Get(volume.Superblock.JournalInode);
        try
        {
            return Plan(inode, (uint)(inode.Size >> volume.Geometry.BlockSizeBits)) is null;
        }
        finally
        {
            volume.Release(inode);
        }
    }

    // Which pieces go where, one after the other; null if the inode has no room for the extents at some point.
    private List<(ExtentMapping Piece, ulong Physical)>? Plan(Inode inode, uint blocks)
    {
        var plan = new List<(ExtentMapping, ulong)>();
        if (!inode.HasExtents)
        {
            uint cursor = 0;
            while (volume.Extents.MapNext(inode, ref cursor, out ExtentMapping mapping))
            {
                if (mapping.Physical + mapping.Length > limit)
                {
                    return null;
                }
            }
            return plan;
        }
        if (volume.Extents.RootExtents(inode) is not { } extents)
        {
            return HasNodes(inode, blocks) ? null : plan;
        }
        extents.RemoveAll(extent => extent.Logical >= blocks);
        List<BlockRun>? room = null;
        while (FindPiece(extents) is { } piece)
        {
            room ??= volume.Blocks.LongestRuns(limit, ExtentNode.RootCapacity, ExtentNode.MaxUnwritten);
            if (room.Count == 0 || extents.Count == ExtentNode.RootCapacity)
            {
                return null;
            }
            BlockRun run = room[0];
            uint length = (uint)Math.Min(piece.Length, run.End - run.Start);
            piece = piece with { Length = length };
            plan.Add((piece, run.Start));
            room.RemoveAt(0);
            if (run.Start + length < run.End)
            {
                room.Add(run with { Start = run.Start + length });
                room.Sort((a, b) => (b.End - b.Start).CompareTo(a.End - a.Start));
            }
            extents = ExtentTree.Exchange(extents, piece, run.Start, blocks);
            if (extents.Count > ExtentNode.RootCapacity)
            {
                return null;
            }
            extents.RemoveAt(extents.Count - 1);
        }
        return plan;
    }

    // A tree of more levels stays where it is if all of it is before the limit.
    private bool HasNodes(Inode inode, uint blocks)
    {
        uint cursor = 0;
        while (cursor < blocks && volume.Extents.MapNext(inode, ref cursor, out ExtentMapping mapping))
        {
            if (mapping.Physical + mapping.Length > limit)
            {
                return true;
            }
        }
        return volume.Extents.HasNodeFrom(inode, limit);
    }

    private ExtentMapping? FindPiece(List<ExtentMapping> extents)
    {
        foreach (ExtentMapping extent in extents)
        {
            if (extent.Physical + extent.Length > limit)
            {
                ExtentMapping piece = extent.Physical >= limit ? extent : extent.From(extent.Logical + (uint)(limit - extent.Physical));
                return piece with { Length = Math.Min(piece.Length, ExtentNode.MaxUnwritten) };
            }
        }
        return null;
    }

    private void Move(Inode inode, in ExtentMapping piece, ulong physical, uint spare)
    {
        BlockReservation taken = volume.Blocks.ReserveAt(physical, piece.Length);
        bool isDone = false;
        try
        {
            // An empty log: whatever is behind its superblock does not count, but must not look like a log.
            int bits = volume.Geometry.BlockSizeBits;
            volume.Device.WriteZeroes((long)(taken.Physical << bits), (long)taken.Length << bits, WriteTag.Metadata);
            using Handle handle = volume.Journal.Start(ExtentTree.InsertCredits + BlockAllocator.CreditsPerGroup + 1);
            volume.Extents.InsertMapping(handle, inode, new ExtentMapping(spare, taken.Physical, taken.Length, ExtentState.Unwritten));
            volume.Blocks.Commit(handle, inode, taken);
            isDone = true;
            volume.Inodes.Write(handle, inode);
        }
        finally
        {
            if (!isDone)
            {
                volume.Blocks.Cancel(taken);
            }
        }
        volume.Journal.Quiesce();
        Exchange(inode, piece, physical, spare);
        FreeSpare(inode, spare);
    }

    // The volume is clean on the disk, and nobody changes it meanwhile.
    private void Exchange(Inode inode, in ExtentMapping piece, ulong physical, uint spare)
    {
        List<ExtentMapping> root = ExtentTree.Exchange(volume.Extents.RootExtents(inode)!, piece, physical, spare);
        int bits = volume.Geometry.BlockSizeBits;
        if (piece.Logical == 0)
        {
            byte[] superblock = new byte[volume.Geometry.BlockSize];
            volume.Device.Read(superblock, (long)(piece.Physical << bits));
            volume.Device.Write(superblock, (long)(physical << bits), WriteTag.JournalSuperblock);
        }
        volume.FlushDevice();
        try
        {
            ExtentTree.ReplaceRoot(inode, root);
            using (MetadataBuffer buffer = volume.Inodes.GetRaw(inode, out Span<byte> raw))
            {
                lock (buffer)
                {
                    InodeCodec.Encode(inode, raw, volume.Geometry);
                    // All that has changed is in the first sector of the slot, or the slot is in one sector.
                    int slot = (int)((inode.Number - 1) % volume.Geometry.InodesPerGroup % (uint)volume.Geometry.InodesPerBlock) * volume.Geometry.InodeSize;
                    int at = slot & ~(SectorSize - 1);
                    volume.Device.Write(buffer.Data.Slice(at, SectorSize), (long)(buffer.Block << bits) + at, WriteTag.Metadata);
                }
            }
            volume.FlushDevice();
        }
        catch (BlockDeviceException e)
        {
            // Where the journal is now, nobody knows.
            volume.Journal.Abort(e);
            throw;
        }
        JournalMap map = MapOf(inode, spare);
        volume.Journal.RelocateLog(map);
        volume.Witness.Start((long)(map[0] << bits));
    }

    private JournalMap MapOf(Inode inode, uint blocks)
    {
        var runs = new List<JournalMap.Run>();
        uint cursor = 0;
        while (cursor < blocks && volume.Extents.MapNext(inode, ref cursor, out ExtentMapping mapping) && mapping.Logical < blocks)
        {
            runs.Add(new JournalMap.Run(mapping.Logical, mapping.Physical, mapping.Length));
        }
        return new JournalMap(runs);
    }

    private void FreeSpare(Inode inode, uint blocks)
    {
        uint cursor = blocks;
        if (!inode.HasExtents || !volume.Extents.MapNext(inode, ref cursor, out _))
        {
            return;
        }
        Handle? handle = volume.Journal.Start(volume.Journal.MaxCredits / 2);
        try
        {
            volume.Extents.Remove(ref handle, inode, blocks, ExtentNode.LogicalEnd);
            lock (volume.Superblock)
            {
                // s_jnl_blocks: the copy of the mapping for when the inode is damaged.
                Span<byte> copy = volume.Superblock.JournalBlocks;
                ((ReadOnlySpan<byte>)inode.Block).CopyTo(copy);
                volume.Superblock.JournalBackupType = 1;
            }
            handle.JoinSuperblock();
        }
        finally
        {
            handle?.Dispose();
        }
    }

    private static Ext4NotSupportedException TooManyPieces() =>
        new("journal", "the journal is in the way, and there is no room for it in one or two pieces");
}
