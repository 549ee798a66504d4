using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;

namespace WinLoop.Ext4.Directories;

/// <summary>One found entry.</summary>
internal readonly record struct DirectoryEntry(uint Inode, DirectoryEntryType Type);

/// <summary>
/// Directory content: linear blocks and htrees. Callers hold the directory's lock: shared to look and list,
/// exclusive to change. Names are 1..255 bytes without NUL and '/'; callers have checked that.
/// </summary>
internal sealed class DirectoryStore(Ext4Volume volume)
{
    /// <summary>The most blocks that <see cref="Add"/> joins (htree split up to the root).</summary>
    public const int AddCredits = 40;
    /// <summary>The most blocks that <see cref="Remove"/>, <see cref="Replace"/> or <see cref="SetParent"/> joins.</summary>
    public const int RemoveCredits = 6;

    /// <summary>Finds a name ("." and ".." too); false if there is none.</summary>
    public bool TryFind(Inode directory, ReadOnlySpan<byte> name, out DirectoryEntry entry) => throw new NotImplementedException();

    /// <summary>Adds a name that is known not to exist; grows and splits as needed, changes the directory's
    /// size, mtime, ctime and flags and writes its inode.</summary>
    public void Add(Handle handle, Inode directory, ReadOnlySpan<byte> name, uint inode, DirectoryEntryType type) => throw new NotImplementedException();

    /// <summary>Removes a name; false if there is none.</summary>
    public bool Remove(Handle handle, Inode directory, ReadOnlySpan<byte> name) => throw new NotImplementedException();

    /// <summary>Points an existing name to another inode.</summary>
    public void Replace(Handle handle, Inode directory, ReadOnlySpan<byte> name, uint inode, DirectoryEntryType type) => throw new NotImplementedException();

    /// <summary>Writes the first block with "." and ".." of a new directory.</summary>
    public void Initialize(Handle handle, Inode directory, uint parent) => throw new NotImplementedException();

    /// <summary>Rewrites "..".</summary>
    public void SetParent(Handle handle, Inode directory, uint parent) => throw new NotImplementedException();

    /// <summary>The inode number in "..".</summary>
    public uint GetParent(Inode directory) => throw new NotImplementedException();

    /// <summary>True if there is nothing but "." and "..".</summary>
    public bool IsEmpty(Inode directory) => throw new NotImplementedException();

    /// <summary>
    /// Lists entries from <paramref name="position"/> on (0 = start), "." and ".." included. Positions stay
    /// valid over changes: hash order in indexed and one-block directories (dir_index), byte order in others.
    /// </summary>
    public void List(Inode directory, ulong position, DirectoryEntrySink sink) => throw new NotImplementedException();

    private Ext4Volume Volume => volume;
}
