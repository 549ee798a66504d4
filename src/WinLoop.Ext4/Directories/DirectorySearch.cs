using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;

namespace WinLoop.Ext4.Directories;

/// <summary>Where an entry is. Holds a reference to the block; dispose it.</summary>
internal struct EntryLocation : IDisposable
{
    public MetadataBuffer? Buffer;
    /// <summary>Logical number of the block.</summary>
    public uint Logical;
    /// <summary>The entry's offset in the block.</summary>
    public int Offset;
    /// <summary>The offset of the entry before it; −1 if it is the block's first.</summary>
    public int Previous;

    public readonly void Dispose() => Buffer?.Dispose();
}

/// <summary>Finds names: by the index where there is a sound one, else block by block.</summary>
internal sealed class DirectorySearch(DirectoryBlocks blocks)
{
    /// <summary>Finds an entry.</summary>
    /// <param name="directory">Locked by the caller.</param>
    /// <param name="name">1..255 bytes.</param>
    /// <param name="forChange">The entry is to be changed: a damaged index is an error then.</param>
    /// <param name="location">Where it is; to be disposed if the answer is true.</param>
    public bool TryLocate(Inode directory, ReadOnlySpan<byte> name, bool forChange, out EntryLocation location)
    {
        if (IsDots(name))
        {
            return TryLocateInBlock(directory, name, 0, blocks.ReadLinear(directory, 0), out location);
        }
        if (blocks.IsIndexed(directory))
        {
            var path = new HtreePath(blocks, directory);
            try
            {
                if (TryLocateByIndex(ref path, directory, name, out bool isFound, out location))
                {
                    return isFound;
                }
                if (forChange)
                {
                    throw path.Damage();
                }
            }
            finally
            {
                path.Dispose();
            }
        }
        uint count = blocks.Count(directory);
        for (uint logical = 0; logical < count; logical++)
        {
            if (TryLocateInBlock(directory, name, logical, blocks.ReadLinear(directory, logical), out location))
            {
                return true;
            }
        }
        location = default;
        return false;
    }

    /// <summary>True for "." and "..", which are in no leaf of an index.</summary>
    public static bool IsDots(ReadOnlySpan<byte> name) =>
        name.Length <= 2 && name[0] == (byte)'.' && (name.Length == 1 || name[1] == (byte)'.');

    // False if the index is damaged.
    private bool TryLocateByIndex(ref HtreePath path, Inode directory, ReadOnlySpan<byte> name, out bool isFound, out EntryLocation location)
    {
        isFound = false;
        location = default;
        if (!path.TryOpen())
        {
            return false;
        }
        uint hash = blocks.Hash.Compute(path.Version, name, out _);
        if (!path.TryDescend(hash))
        {
            return false;
        }
        // Names of one hash may go on in the following leaves, whose keys then have bit 0 set.
        for (uint visited = 0; visited < path.BlockCount; visited++)
        {
            uint leaf = path.Leaf;
            if (TryLocateInBlock(directory, name, leaf, blocks.Read(directory, leaf, BufferKind.DirectoryLeaf), out location))
            {
                isFound = true;
                return true;
            }
            if (!path.TryPeekNext(out uint key) || key != (hash | 1))
            {
                return true;
            }
            if (!path.TryAdvance())
            {
                return false;
            }
        }
        return true;
    }

    private bool TryLocateInBlock(Inode directory, ReadOnlySpan<byte> name, uint logical, MetadataBuffer buffer, out EntryLocation location)
    {
        bool isFound = false;
        try
        {
            DirectoryBlock block = blocks.View(directory, logical, buffer);
            int offset = block.Find(name, out int previous);
            isFound = offset >= 0;
            location = isFound
                ? new EntryLocation { Buffer = buffer, Logical = logical, Offset = offset, Previous = previous }
                : default;
            return isFound;
        }
        finally
        {
            if (!isFound)
            {
                buffer.Dispose();
            }
        }
    }
}
