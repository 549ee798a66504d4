using WinLoop.Ext4.Allocation;
using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Extents;

// Moving a file's blocks and its indirect blocks to other places: its content stays.
internal sealed partial class BlockMap
{
    // A pointer block or the inode, and bitmap and descriptor of both places, which may touch two groups each.
    private const int MoveCredits = (4 * BlockAllocator.CreditsPerGroup) + 3;

    /// <summary>Moves every block of the file that lies at or behind a limit to where the allocator has room, run by run,
    /// each in a handle of its own.</summary>
    /// <param name="inode">The inode.</param>
    /// <param name="limit">The first block that is to be empty.</param>
    /// <param name="copy">Copies the content of so many blocks from one place to another.</param>
    /// <exception cref="Ext4Exception">ENOSPC; what was moved stays moved.</exception>
    public void MoveFrom(Inode inode, ulong limit, Action<ulong, ulong, uint> copy)
    {
        inode.CachedExtent.Clear();
        MovePointers(inode, null, DirectBlocks, 0, limit, copy);
        ulong start = DirectBlocks;
        for (int level = 1; level <= Levels; level++)
        {
            int at = DirectBlocks + level - 1;
            if (ReadUInt32LittleEndian(Area(inode)[(at * 4)..]) != 0)
            {
                MoveBelow(inode, MoveNode(inode, null, at, limit), level, start, limit, copy);
            }
            start += 1UL << (level * PointerBits);
        }
        inode.CachedExtent.Clear();
    }

    private void MoveBelow(Inode inode, uint block, int level, ulong start, ulong limit, Action<ulong, ulong, uint> copy)
    {
        using MetadataBuffer buffer = volume.Cache.Read(block, BufferKind.Raw);
        int perBlock = 1 << PointerBits;
        if (level == 1)
        {
            MovePointers(inode, buffer, perBlock, start, limit, copy);
            return;
        }
        ulong step = 1UL << ((level - 1) * PointerBits);
        for (int i = 0; i < perBlock; i++)
        {
            if (ReadUInt32LittleEndian(buffer.Data[(i * 4)..]) != 0)
            {
                MoveBelow(inode, MoveNode(inode, buffer, i, limit), level - 1, start + ((ulong)i * step), limit, copy);
            }
        }
    }

    // Moves the pointer block that slot `at` of its parent (null: the inode) names, if need be; returns where it is.
    private uint MoveNode(Inode inode, MetadataBuffer? parent, int at, ulong limit)
    {
        uint old = ReadUInt32LittleEndian((parent is null ? Area(inode) : parent.Data)[(at * 4)..]);
        Check(inode, old, 1);
        if (old < limit)
        {
            return old;
        }
        using Handle handle = volume.Journal.Start(MoveCredits);
        ulong moved = volume.Blocks.AllocateMetadata(handle, inode, volume.Geometry.GroupStart(volume.Geometry.GroupOfInode(inode.Number)));
        using (MetadataBuffer source = volume.Cache.Read(old, BufferKind.Raw))
        using (MetadataBuffer target = volume.Cache.GetNew(moved, BufferKind.Raw))
        {
            handle.Join(target);
            source.Data.CopyTo(target.Data);
        }
        Point(handle, inode, parent, at, moved);
        volume.Blocks.Free(handle, inode, old, 1, isMetadata: true);
        volume.Inodes.Write(handle, inode);
        return (uint)moved;
    }

    private void MovePointers(Inode inode, MetadataBuffer? buffer, int count, ulong start, ulong limit, Action<ulong, ulong, uint> copy)
    {
        for (int at = 0; at < count;)
        {
            ReadOnlySpan<byte> pointers = buffer is null ? Area(inode) : buffer.Data;
            uint first = ReadUInt32LittleEndian(pointers[(at * 4)..]);
            if (first < limit)
            {
                at++;
                continue;
            }
            uint length = 1;
            while (at + length < count && ReadUInt32LittleEndian(pointers[((at + (int)length) * 4)..]) == first + (ulong)length)
            {
                length++;
            }
            Check(inode, first, length);
            at += (int)MoveRun(inode, buffer, at, (uint)(start + (ulong)at), first, length, copy);
        }
    }

    private uint MoveRun(Inode inode, MetadataBuffer? buffer, int at, uint logical, uint from, uint length, Action<ulong, ulong, uint> copy)
    {
        BlockReservation taken = volume.Blocks.Reserve(inode, logical, volume.Geometry.GroupStart(volume.Geometry.GroupOfInode(inode.Number)), length, Caller.Root);
        bool isDone = false;
        try
        {
            copy(from, taken.Physical, taken.Length);
            using Handle handle = volume.Journal.Start(MoveCredits);
            for (uint i = 0; i < taken.Length; i++)
            {
                Point(handle, inode, buffer, at + (int)i, taken.Physical + i);
            }
            volume.Blocks.Commit(handle, inode, taken);
            isDone = true;
            volume.Blocks.Free(handle, inode, from, taken.Length, isMetadata: !inode.IsRegular);
            volume.Inodes.Write(handle, inode);
        }
        finally
        {
            if (!isDone)
            {
                volume.Blocks.Cancel(taken);
            }
            volume.Blocks.DropPreallocation(inode);
        }
        return taken.Length;
    }

    private static void Point(Handle handle, Inode inode, MetadataBuffer? parent, int at, ulong block)
    {
        if (parent is not null)
        {
            handle.Join(parent);
        }
        WriteUInt32LittleEndian((parent is null ? Area(inode) : parent.Data)[(at * 4)..], checked((uint)block));
        inode.DataSyncTid = handle.Tid;
    }
}
