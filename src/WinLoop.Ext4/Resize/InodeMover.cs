using WinLoop.Ext4.Allocation;
using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Directories;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Resize;

/// <summary>
/// Gives the inodes of groups that are to be cut off other numbers, each in one transaction with all the names that lead
/// to it. The journal is frozen, and nobody else uses the volume.
/// </summary>
/// <remarks>
/// The checksums of an inode's extent nodes and directory blocks are seeded by its number and its generation. The new
/// generation is chosen so that the seed stays: CRC-32C of four bytes is one-to-one, and linear. So no block of the file
/// changes, however large it is.
/// </remarks>
internal sealed class InodeMover(Ext4Volume volume, uint lastKept)
{
    private const int GenerationAt = 0x64;

    private readonly Dictionary<uint, uint> _moved = [];
    private readonly Dictionary<uint, List<(uint Directory, byte[] Name)>> _names = [];
    // The directories inside of directories that move: their ".." changes.
    private readonly Dictionary<uint, List<uint>> _children = [];

    private List<uint> _inodes = [];

    /// <summary>Finds the inodes and all their names; changes nothing.</summary>
    /// <exception cref="Ext4NotSupportedException">An inode has more names than one transaction can change.</exception>
    /// <exception cref="Ext4CorruptException">An inode has no name.</exception>
    public void Plan()
    {
        _inodes = [.. UsedInodes.Of(volume, lastKept + 1, volume.Geometry.InodesCount)];
        if (_inodes.Count == 0)
        {
            return;
        }
        CollectNames();
        foreach (uint number in _inodes)
        {
            (int names, int children) = (Of(_names, number).Count, Of(_children, number).Count);
            if (names == 0)
            {
                throw new Ext4CorruptException($"inode {number}", "in use, but without a name");
            }
            if (CreditsOf(names, children) > volume.Journal.MaxFrozenCredits)
            {
                throw new Ext4NotSupportedException("journal", $"inode {number} would have to move, and has {names} names and {children} directories in it, more than one transaction of this journal can change");
            }
        }
    }

    /// <summary>Moves all that the plan has found.</summary>
    /// <exception cref="Ext4Exception">ENOSPC: no inodes are free in what stays.</exception>
    public void MoveAll()
    {
        foreach (uint number in _inodes)
        {
            Move(number);
        }
    }

    // A slot and bitmaps for both numbers, a block for each name, and for its directory's htree root.
    private static long CreditsOf(int names, int children) => (2L * InodeAllocator.Credits) + 4 + (2L * names) + children;

    private void CollectNames()
    {
        Geometry geometry = volume.Geometry;
        foreach (uint number in UsedInodes.Of(volume, Ext4Volume.RootInode, geometry.InodesCount))
        {
            if (geometry.IsSystemInode(number))
            {
                continue;
            }
            Inode directory = volume.Inodes.Get(number);
            if (directory.IsDirectory)
            {
                volume.Directories.List(directory, 0, (name, inode, type, _) => Note(number, name, inode, type));
            }
            volume.Release(directory);
        }
    }

    private bool Note(uint directory, ReadOnlySpan<byte> name, uint inode, DirectoryEntryType type)
    {
        if (DirectorySearch.IsDots(name))
        {
            return true;
        }
        if (inode > lastKept)
        {
            Of(_names, inode).Add((directory, name.ToArray()));
        }
        if (directory > lastKept && (type == DirectoryEntryType.Directory || type == DirectoryEntryType.Unknown))
        {
            Of(_children, directory).Add(inode);
        }
        return true;
    }

    private void Move(uint number)
    {
        List<(uint Directory, byte[] Name)> names = Of(_names, number);
        List<uint> children = Of(_children, number);
        bool isDirectory = IsDirectory(number);
        uint after;
        using (Handle handle = volume.Journal.Start((int)CreditsOf(names.Count, children.Count)))
        {
            Inode parent = volume.Inodes.Get(Now(names[0].Directory));
            after = volume.InodeNumbers.Allocate(handle, parent, isDirectory);
            volume.Release(parent);
            CopySlot(handle, number, after);
            volume.Inodes.Forget(number);
            volume.Inodes.Forget(after);
            _moved[number] = after;
            foreach ((uint directory, byte[] name) in names)
            {
                Renumber(handle, Now(directory), name, number, after);
            }
            if (isDirectory)
            {
                Renumber(handle, after, "."u8, number, after);
                foreach (uint child in children)
                {
                    RenumberParent(handle, Now(child), number, after);
                }
            }
            volume.InodeNumbers.Free(handle, number, isDirectory);
        }
    }

    private void RenumberParent(Handle handle, uint child, uint before, uint after)
    {
        // Without types in the entries a child may be anything.
        Inode inode = volume.Inodes.Get(child);
        bool isDirectory = inode.IsDirectory;
        volume.Release(inode);
        if (isDirectory)
        {
            Renumber(handle, child, ".."u8, before, after);
        }
    }

    private void Renumber(Handle handle, uint directory, ReadOnlySpan<byte> name, uint before, uint after)
    {
        Inode inode = volume.Inodes.Get(directory);
        volume.Directories.Renumber(handle, inode, name, before, after);
        volume.Release(inode);
    }

    private void CopySlot(Handle handle, uint before, uint after)
    {
        Geometry geometry = volume.Geometry;
        using MetadataBuffer source = volume.Inodes.GetRaw(before, out Span<byte> from);
        using MetadataBuffer target = volume.Inodes.GetRaw(after, out Span<byte> to);
        handle.Join(source);
        handle.Join(target);
        from.CopyTo(to);
        from.Clear();
        // Also without checksums: blocks in the cache are known by the seed of their owner.
        uint generation = ReadUInt32LittleEndian(to[GenerationAt..]);
        uint seed = geometry.InodeSeed(before, generation);
        uint same = Crc32C.Compute(geometry.ChecksumSeed, before) ^ Crc32C.Compute(geometry.ChecksumSeed, after) ^ generation;
        if (geometry.InodeSeed(after, same) != seed)
        {
            throw new InvalidOperationException("The seed of the checksums did not stay.");
        }
        WriteUInt32LittleEndian(to[GenerationAt..], same);
        if (geometry.HasMetadataChecksums)
        {
            InodeRecord.UpdateChecksum(to, seed, InodeRecord.ExtraSize(to));
        }
    }

    private bool IsDirectory(uint number)
    {
        Inode inode = volume.Inodes.Get(number);
        bool isDirectory = inode.IsDirectory;
        volume.Release(inode);
        return isDirectory;
    }

    private uint Now(uint number) => _moved.GetValueOrDefault(number, number);

    private static List<T> Of<T>(Dictionary<uint, List<T>> lists, uint key)
    {
        if (!lists.TryGetValue(key, out List<T>? list))
        {
            lists.Add(key, list = []);
        }
        return list;
    }
}

/// <summary>Walks the inodes that are in use.</summary>
internal static class UsedInodes
{
    /// <summary>The numbers of those from <paramref name="first"/> to <paramref name="last"/>.</summary>
    public static IEnumerable<uint> Of(Ext4Volume volume, uint first, uint last)
    {
        Geometry geometry = volume.Geometry;
        var words = new ulong[(geometry.InodesPerGroup + 63) >> 6];
        for (uint group = geometry.GroupOfInode(first); group < geometry.GroupCount; group++)
        {
            uint before = group * geometry.InodesPerGroup;
            if (before >= last)
            {
                yield break;
            }
            int count = volume.InodeNumbers.CopyUsed(group, words);
            for (int bit = 0; (bit = Bitmap.NextOne(words, bit, count)) < count; bit++)
            {
                uint number = before + (uint)bit + 1;
                if (number >= first && number <= last)
                {
                    yield return number;
                }
            }
        }
    }
}
