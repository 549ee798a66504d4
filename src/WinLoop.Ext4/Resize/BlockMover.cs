using WinLoop.Ext4.Allocation;
using WinLoop.Ext4.Attributes;
using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Extents;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;
using WinLoop.Storage;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Resize;

/// <summary>
/// Moves the blocks of files out of what is to be cut off. A run is copied to free blocks first; then one transaction maps
/// the file to the copy and frees the run. Everything committed is at home when this begins, so that the device holds
/// the newest content of directories, too.
/// </summary>
internal sealed class BlockMover(Ext4Volume volume, ulong limit)
{
    private const int CopyBytes = 1 << 20;
    private const int AttributeCredits = 8, OwnersPerHandle = 64;
    private const uint OrphanBlocksPerHandle = 32;

    private readonly byte[] _copy = GC.AllocateUninitializedArray<byte>(Math.Max(CopyBytes, volume.Geometry.BlockSize), pinned: true);
    // Attribute blocks to move, and who has them.
    private readonly Dictionary<ulong, List<uint>> _attributes = [];

    /// <summary>Moves all that can be moved. What is left behind the limit belongs to a file without extents, or to nobody.</summary>
    /// <exception cref="Ext4Exception">ENOSPC: what stays has no room.</exception>
    public void MoveAll()
    {
        Geometry geometry = volume.Geometry;
        foreach (uint number in UsedInodes.Of(volume, Ext4Volume.RootInode, geometry.InodesCount))
        {
            if (geometry.IsSystemInode(number))
            {
                continue;
            }
            Inode inode = volume.Inodes.Get(number);
            try
            {
                if (inode.HasExtents)
                {
                    MoveExtents(inode);
                    volume.Extents.MoveNodesFrom(inode, limit);
                }
                else if (HasBlockMap(inode))
                {
                    volume.Extents.MoveBlockMapFrom(inode, limit, Copy);
                }
                if (inode.FileAcl >= limit)
                {
                    if (!_attributes.TryGetValue(inode.FileAcl, out List<uint>? owners))
                    {
                        _attributes.Add(inode.FileAcl, owners = []);
                    }
                    owners.Add(number);
                }
            }
            finally
            {
                volume.Release(inode);
            }
        }
        foreach ((ulong block, List<uint> owners) in _attributes)
        {
            MoveAttributes(block, owners);
        }
        volume.Attributes.ForgetShared();
        MoveOrphanFile();
    }

    /// <summary>True if i_block holds block pointers: not a device's number, nor the target of a short link.</summary>
    public static bool HasBlockMap(Inode inode) =>
        !inode.HasExtents && (inode.IsRegular || inode.IsDirectory || (inode.IsSymlink && inode.Size >= FastLinkLimit));

    // i_block itself holds shorter targets.
    private const int FastLinkLimit = 60;

    private void MoveExtents(Inode inode)
    {
        uint cursor = 0;
        while (volume.Extents.MapNext(inode, ref cursor, out ExtentMapping mapping))
        {
            if (mapping.Physical + mapping.Length <= limit)
            {
                continue;
            }
            ExtentMapping part = mapping.Physical >= limit ? mapping : mapping.From(mapping.Logical + (uint)(limit - mapping.Physical));
            uint moved = MoveRun(inode, part);
            cursor = part.Logical + moved;
        }
    }

    // Moves the start of a run, as much as there is room for in one piece.
    private uint MoveRun(Inode inode, in ExtentMapping run)
    {
        BlockReservation taken = volume.Blocks.Reserve(inode, run.Logical, volume.Extents.Goal(inode, run.Logical), run.Length, Caller.Root);
        ExtentMapping part = run with { Length = taken.Length };
        bool isDone = false;
        try
        {
            if (part.State == ExtentState.Written)
            {
                Copy(part.Physical, taken.Physical, part.Length);
            }
            using Handle handle = volume.Journal.Start(ExtentTree.InsertCredits + (3 * BlockAllocator.CreditsPerGroup) + 1);
            volume.Extents.Relocate(handle, inode, part, taken.Physical);
            volume.Blocks.Commit(handle, inode, taken);
            isDone = true;
            volume.Blocks.Free(handle, inode, part.Physical, part.Length, isMetadata: !inode.IsRegular);
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
        return part.Length;
    }

    private void Copy(ulong from, ulong to, uint count)
    {
        int bits = volume.Geometry.BlockSizeBits;
        uint most = (uint)(_copy.Length >> bits);
        for (uint done = 0; done < count;)
        {
            uint part = Math.Min(most, count - done);
            Span<byte> piece = _copy.AsSpan(0, (int)part << bits);
            volume.Device.Read(piece, (long)((from + done) << bits));
            volume.Device.Write(piece, (long)((to + done) << bits));
            done += part;
        }
        for (uint i = 0; i < count; i++)
        {
            volume.Cache.Invalidate(to + i);
        }
    }

    // Many inodes may share a block. A transaction changes some of them, which share a copy then.
    private void MoveAttributes(ulong block, List<uint> owners)
    {
        for (int done = 0; done < owners.Count; done += OwnersPerHandle)
        {
            List<uint> part = owners.GetRange(done, Math.Min(OwnersPerHandle, owners.Count - done));
            MoveAttributes(block, part, isLast: done + part.Count == owners.Count);
        }
    }

    private void MoveAttributes(ulong block, List<uint> owners, bool isLast)
    {
        using Handle handle = volume.Journal.Start(AttributeCredits + owners.Count);
        List<Inode> inodes = [.. owners.Select(volume.Inodes.Get)];
        try
        {
            ulong sectors = inodes[0].Sectors;
            ulong moved = volume.Blocks.AllocateMetadata(handle, inodes[0], volume.Geometry.GroupStart(volume.Geometry.GroupOfInode(inodes[0].Number)));
            inodes[0].Sectors = sectors; // it was charged for the old block
            using (MetadataBuffer source = volume.Cache.Read(block, BufferKind.AttributeBlock, volume.Geometry.ChecksumSeed))
            using (MetadataBuffer target = volume.Cache.GetNew(moved, BufferKind.AttributeBlock, volume.Geometry.ChecksumSeed))
            {
                handle.Join(target);
                source.Data.CopyTo(target.Data);
                WriteUInt32LittleEndian(target.Data[AttributeBlocks.ReferencesAt..], (uint)owners.Count);
                if (!isLast)
                {
                    handle.Join(source);
                    uint references = ReadUInt32LittleEndian(source.Data[AttributeBlocks.ReferencesAt..]);
                    WriteUInt32LittleEndian(source.Data[AttributeBlocks.ReferencesAt..], references - Math.Min(references, (uint)owners.Count));
                }
            }
            if (isLast)
            {
                volume.Blocks.Free(handle, null, block, 1, isMetadata: true);
            }
            foreach (Inode inode in inodes)
            {
                inode.FileAcl = moved;
                volume.Inodes.Write(handle, inode);
            }
        }
        finally
        {
            inodes.ForEach(inode => volume.Release(inode));
        }
    }

    // Its blocks are metadata whose checksums have the block's number in them.
    private void MoveOrphanFile()
    {
        if (!volume.Orphans.HasFile)
        {
            return;
        }
        Inode file = volume.Inodes.Get(volume.Superblock.OrphanFileInode);
        try
        {
            uint cursor = 0;
            while (volume.Extents.MapNext(file, ref cursor, out ExtentMapping mapping))
            {
                if (mapping.Physical + mapping.Length <= limit)
                {
                    continue;
                }
                ExtentMapping part = mapping.Physical >= limit ? mapping : mapping.From(mapping.Logical + (uint)(limit - mapping.Physical));
                cursor = part.Logical + MoveOrphanBlocks(file, part);
                volume.Orphans.ReopenFile();
            }
            if (file.HasExtents)
            {
                volume.Extents.MoveNodesFrom(file, limit);
            }
        }
        finally
        {
            volume.Release(file);
        }
    }

    private uint MoveOrphanBlocks(Inode file, in ExtentMapping run)
    {
        uint wanted = Math.Min(run.Length, OrphanBlocksPerHandle);
        BlockReservation taken = volume.Blocks.Reserve(file, run.Logical, volume.Geometry.FirstDataBlock, wanted, Caller.Root);
        ExtentMapping part = run with { Length = taken.Length };
        bool isDone = false;
        try
        {
            using Handle handle = volume.Journal.Start(ExtentTree.InsertCredits + (3 * BlockAllocator.CreditsPerGroup) + 1 + (int)OrphanBlocksPerHandle);
            volume.Extents.Relocate(handle, file, part, taken.Physical);
            volume.Blocks.Commit(handle, file, taken);
            isDone = true;
            for (uint i = 0; i < part.Length; i++)
            {
                using MetadataBuffer source = volume.Cache.Read(part.Physical + i, BufferKind.OrphanBlock, file.ChecksumSeed);
                using MetadataBuffer target = volume.Cache.GetNew(taken.Physical + i, BufferKind.OrphanBlock, file.ChecksumSeed);
                handle.Join(target);
                source.Data.CopyTo(target.Data);
            }
            volume.Blocks.Free(handle, file, part.Physical, part.Length, isMetadata: true);
            volume.Inodes.Write(handle, file);
        }
        finally
        {
            if (!isDone)
            {
                volume.Blocks.Cancel(taken);
            }
            volume.Blocks.DropPreallocation(file);
        }
        return part.Length;
    }
}
