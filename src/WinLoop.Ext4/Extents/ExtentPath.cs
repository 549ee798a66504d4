using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;

namespace WinLoop.Ext4.Extents;

/// <summary>One level of an <see cref="ExtentPath"/>.</summary>
internal struct ExtentPathLevel
{
    /// <summary>The node's block; null for the root in the inode.</summary>
    public MetadataBuffer? Buffer;
    /// <summary>Index node: the child that was followed. Leaf: the last extent that does not start behind the
    /// logical block looked for, −1 if all do.</summary>
    public int Index;
    /// <summary>The first logical block the node may map: its key in the parent.</summary>
    public uint Start;
    /// <summary>The first logical block the node may not map: the next key in the parent.</summary>
    public uint End;
}

/// <summary>
/// The nodes from an inode's extent root (level 0) down to a leaf (level <see cref="Depth"/>), each with a
/// reference. Lives on the stack of one tree operation; the inode is locked exclusive.
/// </summary>
internal ref struct ExtentPath(Inode inode)
{
    private Levels _levels;

    /// <summary>The level of the leaf.</summary>
    public int Depth;

    public readonly Inode Inode => inode;

    [UnscopedRef]
    public ref ExtentPathLevel this[int level] => ref _levels[level];

    /// <summary>The leaf.</summary>
    public readonly ExtentNode Leaf => Node(Depth);

    /// <summary>See <see cref="ExtentPathLevel.Index"/>.</summary>
    public readonly int LeafIndex => _levels[Depth].Index;

    /// <summary>The node of a level.</summary>
    public readonly ExtentNode Node(int level) =>
        _levels[level].Buffer is { } buffer ? new ExtentNode(buffer.Data) : Root(inode);

    /// <summary>The root node inside i_block.</summary>
    public static ExtentNode Root(Inode inode) =>
        new(MemoryMarshal.CreateSpan(ref Unsafe.As<BlockArea, byte>(ref inode.Block), Unsafe.SizeOf<BlockArea>()));

    /// <summary>Joins a level's node to the handle before it is changed; the root travels with the inode.</summary>
    public readonly void Join(Handle handle, int level)
    {
        if (_levels[level].Buffer is { } buffer)
        {
            handle.Join(buffer);
        }
    }

    /// <summary>Makes the path go through another node at a level; takes over its reference.</summary>
    public void Replace(int level, MetadataBuffer buffer, int index, uint start)
    {
        ref ExtentPathLevel at = ref _levels[level];
        at.Buffer?.Dispose();
        at.Buffer = buffer;
        at.Index = index;
        at.Start = start;
    }

    /// <summary>Puts a level under the root after the root's entries moved to <paramref name="buffer"/>.</summary>
    public void PushBelowRoot(MetadataBuffer buffer)
    {
        for (int level = Depth; level > 0; level--)
        {
            _levels[level + 1] = _levels[level];
        }
        _levels[1] = _levels[0];
        _levels[1].Buffer = buffer;
        _levels[0].Index = 0;
        Depth++;
    }

    /// <summary>Takes out the level under the root after its entries moved into the root.</summary>
    public void PullIntoRoot()
    {
        _levels[1].Buffer?.Dispose();
        _levels[0].Index = _levels[1].Index;
        for (int level = 1; level < Depth; level++)
        {
            _levels[level] = _levels[level + 1];
        }
        _levels[Depth] = default;
        Depth--;
    }

    /// <summary>Drops the references.</summary>
    public void Dispose()
    {
        for (int level = 1; level <= Depth; level++)
        {
            _levels[level].Buffer?.Dispose();
            _levels[level].Buffer = null;
        }
        Depth = 0;
    }

    // One more than a tree has, for the moment in which it grows.
    [InlineArray(ExtentNode.MaxDepth + 2)]
    private struct Levels
    {
        private ExtentPathLevel _first;
    }
}
