using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Extents;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Orphans;

/// <summary>
/// Inodes that need work after a crash: unlinked but not yet freed, or being truncated. Kept on disk as a
/// slot of the orphan file, or in the list that starts at s_last_orphan and runs through i_dtime.
/// </summary>
internal sealed class OrphanStore(Ext4Volume volume)
{
    /// <summary>Blocks that <see cref="Add"/> or <see cref="Remove"/> joins: superblock, own and neighbour's inode.</summary>
    public const int Credits = 3;

    private const uint BlockMagic = 0x0B10CA04;

    private readonly Lock _lock = new();
    // The on-disk list, head first; only inodes whose OrphanSlot is -1.
    private readonly LinkedList<Inode> _list = new();
    private readonly Dictionary<uint, LinkedListNode<Inode>> _nodes = [];
    // Physical blocks of the orphan file; empty without one.
    private ulong[] _fileBlocks = [];
    private uint _fileSeed;
    private int _slotsPerBlock;
    private int _hint;

    /// <summary>Adds the inode in the handle that drops its last link or starts its truncate; the caller holds
    /// the inode lock and writes the inode afterwards.</summary>
    public void Add(Handle handle, Inode inode)
    {
        lock (_lock)
        {
            if (inode.IsOrphan || volume.Options.Hooks is { SkipsOrphans: true })
            {
                return;
            }
            inode.IsOrphan = true;
            if (TryAddToFile(handle, inode))
            {
                return;
            }
            inode.OrphanSlot = -1;
            inode.DeletionTime = volume.Superblock.LastOrphan;
            volume.Superblock.LastOrphan = inode.Number;
            handle.JoinSuperblock();
            _nodes[inode.Number] = _list.AddFirst(inode);
        }
        volume.Inodes.Write(handle, inode);
    }

    /// <summary>Removes the inode in the handle that finishes its work; the caller holds the inode lock and
    /// sets i_dtime and writes the inode afterwards.</summary>
    public void Remove(Handle handle, Inode inode)
    {
        lock (_lock)
        {
            if (!inode.IsOrphan)
            {
                return;
            }
            inode.IsOrphan = false;
            if (inode.OrphanSlot >= 0)
            {
                ClearSlot(handle, inode.OrphanSlot);
                inode.OrphanSlot = -1;
                return;
            }
            LinkedListNode<Inode> node = _nodes[inode.Number];
            if (node.Previous is { Value: { } previous })
            {
                previous.DeletionTime = inode.DeletionTime;
                volume.Inodes.WriteOrphanLink(handle, previous);
            }
            else
            {
                volume.Superblock.LastOrphan = inode.DeletionTime;
                handle.JoinSuperblock();
            }
            _list.Remove(node);
            _nodes.Remove(inode.Number);
            inode.DeletionTime = 0;
        }
        volume.Inodes.Write(handle, inode);
    }

    /// <summary>Finishes what a crash left: frees unlinked inodes and completes truncates.</summary>
    /// <returns>How many inodes were freed and truncated.</returns>
    public (int Freed, int Truncated) ProcessAll()
    {
        OpenFile();
        int freed = 0, truncated = 0;
        foreach (Inode inode in CollectFromList().Concat(CollectFromFile()).ToList())
        {
            if (inode.Links == 0)
            {
                freed++;
            }
            else
            {
                volume.FinishTruncate(inode);
                truncated++;
            }
            volume.Release(inode);
        }
        return (freed, truncated);
    }

    /// <summary>True if the orphan file holds no entry; asked at unmount before the feature flag is cleared.</summary>
    public bool IsFileEmpty()
    {
        foreach (ulong block in _fileBlocks)
        {
            using MetadataBuffer buffer = ReadBlock(block);
            if (buffer.Data[..^8].IndexOfAnyExcept((byte)0) >= 0)
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>True if the volume has an orphan file.</summary>
    public bool HasFile => volume.Geometry.Has(CompatFeatures.OrphanFile);

    // The list is walked once at mount; a damaged one ends the walk and is reported.
    private List<Inode> CollectFromList()
    {
        var found = new List<Inode>();
        var seen = new HashSet<uint>();
        uint number = volume.Superblock.LastOrphan;
        while (number != 0)
        {
            if (number == Ext4Volume.RootInode || number > volume.Geometry.InodesCount || volume.Geometry.IsSystemInode(number) || !seen.Add(number) ||
                !volume.InodeNumbers.IsAllocated(number))
            {
                throw new Ext4CorruptException("orphan list", $"names inode {number}");
            }
            Inode inode = volume.Inodes.Get(number, allowUnlinked: true);
            inode.IsOrphan = true;
            inode.OrphanSlot = -1;
            _nodes[number] = _list.AddLast(inode);
            found.Add(inode);
            number = inode.DeletionTime;
        }
        return found;
    }

    private List<Inode> CollectFromFile()
    {
        var found = new List<Inode>();
        var seen = new HashSet<uint>();
        for (int i = 0; i < _fileBlocks.Length; i++)
        {
            using MetadataBuffer buffer = ReadBlock(_fileBlocks[i]);
            for (int s = 0; s < _slotsPerBlock; s++)
            {
                uint number = ReadUInt32LittleEndian(buffer.Data[(s * 4)..]);
                if (number == 0)
                {
                    continue;
                }
                if (number == Ext4Volume.RootInode || number > volume.Geometry.InodesCount || volume.Geometry.IsSystemInode(number) || !seen.Add(number) ||
                    !volume.InodeNumbers.IsAllocated(number))
                {
                    throw new Ext4CorruptException("orphan file", $"names inode {number}");
                }
                Inode inode = volume.Inodes.Get(number, allowUnlinked: true);
                inode.IsOrphan = true;
                inode.OrphanSlot = (i * _slotsPerBlock) + s;
                found.Add(inode);
            }
        }
        return found;
    }

    /// <summary>Finds the orphan file's blocks, if the volume has one.</summary>
    public void OpenFile()
    {
        if (!HasFile || _fileBlocks.Length != 0)
        {
            return;
        }
        Inode file = volume.Inodes.Get(volume.Superblock.OrphanFileInode);
        int blockSize = volume.Geometry.BlockSize;
        long blocks = file.Size / blockSize;
        if (!file.IsRegular || blocks is < 1 or > 4096)
        {
            throw new Ext4CorruptException("orphan file", $"inode {file.Number} has {file.Size} bytes");
        }
        _fileSeed = file.ChecksumSeed;
        _slotsPerBlock = (blockSize - 8) / 4;
        var physical = new ulong[blocks];
        for (uint i = 0; i < physical.Length; i++)
        {
            ExtentMapping mapping = volume.Extents.Map(file, i);
            if (mapping.State != ExtentState.Written)
            {
                throw new Ext4CorruptException("orphan file", $"block {i} is not mapped");
            }
            physical[i] = mapping.PhysicalOf(i);
        }
        volume.Release(file);
        _fileBlocks = physical;
    }

    /// <summary>Looks anew where the orphan file's blocks are, after they were moved.</summary>
    public void ReopenFile()
    {
        _fileBlocks = [];
        OpenFile();
    }

    private MetadataBuffer ReadBlock(ulong block)
    {
        MetadataBuffer buffer = volume.Cache.Read(block, BufferKind.OrphanBlock, _fileSeed);
        if (ReadUInt32LittleEndian(buffer.Data[^8..]) != BlockMagic)
        {
            buffer.Dispose();
            throw new Ext4CorruptException($"orphan file block {block}", "wrong magic");
        }
        return buffer;
    }

    private bool TryAddToFile(Handle handle, Inode inode)
    {
        // Slots are handed out round and round; a full turn without a free one falls back to the list.
        int total = _fileBlocks.Length * _slotsPerBlock;
        for (int tried = 0; tried < total;)
        {
            int at = (_hint + tried) % total;
            int inBlock = at % _slotsPerBlock;
            using MetadataBuffer buffer = ReadBlock(_fileBlocks[at / _slotsPerBlock]);
            for (; inBlock < _slotsPerBlock && tried < total; inBlock++, tried++, at++)
            {
                if (ReadUInt32LittleEndian(buffer.Data[(inBlock * 4)..]) == 0)
                {
                    handle.Join(buffer);
                    WriteUInt32LittleEndian(buffer.Data[(inBlock * 4)..], inode.Number);
                    inode.OrphanSlot = at;
                    _hint = at;
                    return true;
                }
            }
        }
        return false;
    }

    private void ClearSlot(Handle handle, int slot)
    {
        using MetadataBuffer buffer = ReadBlock(_fileBlocks[slot / _slotsPerBlock]);
        handle.Join(buffer);
        WriteUInt32LittleEndian(buffer.Data[(slot % _slotsPerBlock * 4)..], 0);
        _hint = slot;
    }
}
