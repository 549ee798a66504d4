using WinLoop.Ext4.Format;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Create;

/// <summary>Writes the extent root, and one leaf if needed, of a file that is mapped without holes.</summary>
internal static class ExtentImage
{
    private const int HeaderSize = 12, EntrySize = 12;
    private const ushort Magic = 0xF30A;

    /// <summary>Entries in an inode's root.</summary>
    public const int RootCapacity = 4;

    /// <summary>Entries in a node of its own block.</summary>
    public static int NodeCapacity(int blockSize) => (blockSize - HeaderSize) / EntrySize;

    /// <summary>A root that maps <paramref name="runs"/> itself.</summary>
    /// <param name="root">The inode's block area, 60 bytes, zero.</param>
    /// <param name="runs">At most <see cref="RootCapacity"/> runs of at most 32,768 blocks.</param>
    public static void WriteRoot(Span<byte> root, IReadOnlyList<BlockRun> runs) => WriteLeaf(root, RootCapacity, runs);

    /// <summary>A root that points at one leaf.</summary>
    public static void WriteIndexRoot(Span<byte> root, ulong leafBlock)
    {
        WriteHeader(root, 1, RootCapacity, depth: 1);
        Span<byte> entry = root.Slice(HeaderSize, EntrySize);
        WriteUInt32LittleEndian(entry, 0);
        WriteUInt32LittleEndian(entry[4..], (uint)(leafBlock & uint.MaxValue));
        WriteUInt16LittleEndian(entry[8..], (ushort)(leafBlock >> 32));
    }

    /// <summary>A leaf in a block of its own, with its checksum if <paramref name="inodeSeed"/> is given.</summary>
    public static void WriteLeafBlock(Span<byte> block, IReadOnlyList<BlockRun> runs, uint? inodeSeed)
    {
        int capacity = NodeCapacity(block.Length);
        WriteLeaf(block, capacity, runs);
        int tail = HeaderSize + (capacity * EntrySize);
        if (inodeSeed is { } seed)
        {
            WriteUInt32LittleEndian(block[tail..], Crc32C.Compute(seed, block[..tail]));
        }
    }

    private static void WriteLeaf(Span<byte> node, int capacity, IReadOnlyList<BlockRun> runs)
    {
        WriteHeader(node, runs.Count, capacity, depth: 0);
        uint logical = 0;
        for (int i = 0; i < runs.Count; i++)
        {
            Span<byte> entry = node.Slice(HeaderSize + (i * EntrySize), EntrySize);
            WriteUInt32LittleEndian(entry, logical);
            WriteUInt16LittleEndian(entry[4..], (ushort)runs[i].Length);
            WriteUInt16LittleEndian(entry[6..], (ushort)(runs[i].Start >> 32));
            WriteUInt32LittleEndian(entry[8..], (uint)(runs[i].Start & uint.MaxValue));
            logical += (uint)runs[i].Length;
        }
    }

    private static void WriteHeader(Span<byte> node, int entries, int capacity, ushort depth)
    {
        WriteUInt16LittleEndian(node, Magic);
        WriteUInt16LittleEndian(node[2..], (ushort)entries);
        WriteUInt16LittleEndian(node[4..], (ushort)capacity);
        WriteUInt16LittleEndian(node[6..], depth);
        WriteUInt32LittleEndian(node[8..], 0);
    }
}
