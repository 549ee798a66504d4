using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;

namespace WinLoop.Ext4.Directories;

/// <summary>One found entry.</summary>
internal readonly record struct DirectoryEntry(uint Inode, DirectoryEntryType Type);

/// <summary>
/// Directory content: linear blocks and htrees. Callers hold the directory's lock: shared to look and list,
/// exclusive to change. Names are 1..255 bytes without NUL and '/'; callers have checked that.
/// </summary>
internal sealed class DirectoryStore
{
    /// <summary>The most blocks that <see cref="Add"/> joins (htree split up to the root).</summary>
    public const int AddCredits = 40;
    /// <summary>The most blocks that <see cref="Remove"/>, <see cref="Replace"/> or <see cref="SetParent"/> joins.</summary>
    public const int RemoveCredits = 6;

    private const int ParentAt = 12;

    private readonly Ext4Volume _volume;
    private readonly DirectoryBlocks _blocks;
    private readonly DirectorySearch _search;
    private readonly DirectoryInserter _inserter;
    private readonly DirectoryLister _lister;

    public DirectoryStore(Ext4Volume volume)
    {
        _volume = volume;
        _blocks = new DirectoryBlocks(volume);
        _search = new DirectorySearch(_blocks);
        _inserter = new DirectoryInserter(_blocks);
        _lister = new DirectoryLister(_blocks);
    }

    /// <summary>Says that the volume was resized: entries may name inodes up to this one.</summary>
    public void SetInodesCount(uint inodes) => _blocks.Format.InodesCount = inodes;

    /// <summary>Finds a name ("." and ".." too); false if there is none.</summary>
    public bool TryFind(Inode directory, ReadOnlySpan<byte> name, out DirectoryEntry entry)
    {
        if (!_search.TryLocate(directory, name, forChange: false, out EntryLocation location))
        {
            entry = default;
            return false;
        }
        using (location)
        {
            DirectoryRecord record = _blocks.View(directory, location.Logical, location.Buffer!)[location.Offset];
            if (_volume.Geometry.IsSystemInode(record.Inode))
            {
                throw new Ext4CorruptException($"directory inode {directory.Number}, block {location.Logical}, byte {location.Offset}",
                    $"names the reserved inode {record.Inode}");
            }
            entry = new DirectoryEntry(record.Inode, record.Type);
            return true;
        }
    }

    /// <summary>Adds a name that is known not to exist; grows and splits as needed, changes the directory's
    /// size, mtime, ctime and flags and writes its inode.</summary>
    /// <exception cref="Ext4Exception">ENOSPC; the directory holds the names it held.</exception>
    public void Add(Handle handle, Inode directory, ReadOnlySpan<byte> name, uint inode, DirectoryEntryType type)
    {
        ForgetForeignIndex(directory);
        _inserter.Add(handle, directory, name, inode, type);
        Touch(handle, directory);
    }

    /// <summary>Removes a name; false if there is none.</summary>
    public bool Remove(Handle handle, Inode directory, ReadOnlySpan<byte> name)
    {
        ForgetForeignIndex(directory);
        if (!_search.TryLocate(directory, name, forChange: true, out EntryLocation location))
        {
            return false;
        }
        using (location)
        {
            handle.Join(location.Buffer!);
            DirectoryBlockWriter.Remove(_blocks.View(directory, location.Logical, location.Buffer!), location.Offset, location.Previous);
            directory.InsertHint = Math.Min(directory.InsertHint, location.Logical);
        }
        Touch(handle, directory);
        return true;
    }

    /// <summary>Points an existing name to another inode.</summary>
    /// <exception cref="Ext4CorruptException">The name is not there, which the caller knew it was.</exception>
    public void Replace(Handle handle, Inode directory, ReadOnlySpan<byte> name, uint inode, DirectoryEntryType type)
    {
        ForgetForeignIndex(directory);
        if (!_search.TryLocate(directory, name, forChange: true, out EntryLocation location))
        {
            throw new Ext4CorruptException($"directory inode {directory.Number}", "an entry has vanished");
        }
        using (location)
        {
            handle.Join(location.Buffer!);
            DirectoryBlockWriter.Replace(_blocks.View(directory, location.Logical, location.Buffer!), _blocks.Format, location.Offset, inode, type);
        }
        Touch(handle, directory);
    }

    /// <summary>Points an existing name, "." and ".." too, to the new number of the inode that it names. The times stay:
    /// the directory holds what it held.</summary>
    /// <exception cref="Ext4CorruptException">The name is not there, which the caller knew it was, or names another inode.</exception>
    public void Renumber(Handle handle, Inode directory, ReadOnlySpan<byte> name, uint before, uint after)
    {
        ForgetForeignIndex(directory);
        if (!_search.TryLocate(directory, name, forChange: true, out EntryLocation location))
        {
            throw new Ext4CorruptException($"directory inode {directory.Number}", "an entry has vanished");
        }
        using (location)
        {
            DirectoryBlock block = _blocks.View(directory, location.Logical, location.Buffer!);
            DirectoryRecord record = block[location.Offset];
            if (record.Inode != before)
            {
                throw new Ext4CorruptException($"directory inode {directory.Number}", $"an entry names inode {record.Inode} instead of {before}");
            }
            if (location.Logical == 0 && _blocks.IsIndexed(directory) && HtreeNode.CheckRoot(location.Buffer!.Data, _blocks.Format, _blocks.MaximumLevels) is { } problem)
            {
                throw new Ext4CorruptException($"directory inode {directory.Number}", problem);
            }
            handle.Join(location.Buffer!);
            DirectoryBlockWriter.Replace(block, _blocks.Format, location.Offset, after, record.Type);
        }
    }

    /// <summary>Writes the first block with "." and ".." of a new directory.</summary>
    /// <exception cref="Ext4Exception">ENOSPC; nothing has changed.</exception>
    public void Initialize(Handle handle, Inode directory, uint parent)
    {
        using MetadataBuffer buffer = _blocks.Append(handle, directory, BufferKind.DirectoryLeaf, out _);
        DirectoryBlockWriter.FormatFirst(buffer.Data, _blocks.Format, directory.Number, parent);
    }

    /// <summary>Rewrites ".."; the times stay, because the directory's own names are the same.</summary>
    public void SetParent(Handle handle, Inode directory, uint parent)
    {
        using MetadataBuffer buffer = _blocks.ReadLinear(directory, 0);
        _blocks.View(directory, 0, buffer).ReadDots(out _);
        // The checksum of a root that is not one could not be computed when the transaction closes.
        if (_blocks.IsIndexed(directory) && HtreeNode.CheckRoot(buffer.Data, _blocks.Format, _blocks.MaximumLevels) is { } problem)
        {
            throw new Ext4CorruptException($"directory inode {directory.Number}", problem);
        }
        handle.Join(buffer);
        DirectoryBlockWriter.Replace(_blocks.View(directory, 0, buffer), _blocks.Format, ParentAt, parent, DirectoryEntryType.Directory);
    }

    /// <summary>The inode number in "..".</summary>
    public uint GetParent(Inode directory)
    {
        using MetadataBuffer buffer = _blocks.ReadLinear(directory, 0);
        return _blocks.View(directory, 0, buffer).ReadDots(out _);
    }

    /// <summary>True if there is nothing but "." and "..".</summary>
    public bool IsEmpty(Inode directory)
    {
        // All blocks and not the index: a name in a leaf that a damaged index does not reach is a name too.
        uint count = _blocks.Count(directory);
        for (uint logical = 0; logical < count; logical++)
        {
            using MetadataBuffer buffer = _blocks.ReadLinear(directory, logical);
            DirectoryBlock block = _blocks.View(directory, logical, buffer);
            int offset = 0;
            if (logical == 0)
            {
                block.ReadDots(out offset);
            }
            if (block.MoveNext(ref offset, out _))
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>
    /// Lists entries from <paramref name="position"/> on (0 = start), "." and ".." included. Positions stay
    /// valid over changes: hash order in indexed and one-block directories (dir_index), byte order in others.
    /// </summary>
    public void List(Inode directory, ulong position, DirectoryEntrySink sink) => _lister.List(directory, position, sink);

    // A volume without dir_index keeps its directories linear; an index from other times is dropped, because
    // it would not follow the changes. The blocks read the same without it.
    private void ForgetForeignIndex(Inode directory)
    {
        if ((directory.Flags & InodeFlags.Index) == 0 || _blocks.HasIndexes)
        {
            return;
        }
        if (_blocks.Format.HasTail)
        {
            throw new Ext4CorruptException($"directory inode {directory.Number}", "is indexed in a volume without dir_index");
        }
        directory.Flags &= ~InodeFlags.Index;
    }

    private void Touch(Handle handle, Inode directory)
    {
        Timestamp now = Ext4Volume.Clamp(directory, Timestamp.Now);
        directory.ModifyTime = now;
        directory.ChangeTime = now;
        directory.Version = unchecked(directory.Version + 1);
        _volume.Inodes.Write(handle, directory);
    }
}
