using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Format;

/// <summary>
/// The index blocks of an htree: the root in block 0 (<c>struct dx_root</c>) and nodes (<c>struct dx_node</c>).
/// Both hold ascending pairs (hash, logical block); the hash field of pair 0 carries limit and count.
/// </summary>
internal static class HtreeNode
{
    /// <summary>Where the pairs start in the root.</summary>
    public const int RootPairs = 0x20;
    /// <summary>Where the pairs start in a node.</summary>
    public const int NodePairs = 8;
    /// <summary>The bits of a pair's block number that count.</summary>
    public const uint BlockMask = 0x0FFFFFFF;

    private const int PairSize = 8, TailSize = 8;
    private const int ReservedAt = 0x18, VersionAt = 0x1C, InfoLengthAt = 0x1D, LevelsAt = 0x1E, FlagsAt = 0x1F;
    private const int DotDotAt = 12;
    private const byte InfoLength = 8;

    /// <summary>The pairs a block holds; the kernel takes no other value.</summary>
    public static int Limit(DirectoryFormat format, int pairsAt) =>
        (format.BlockSize - pairsAt - (format.HasTail ? TailSize : 0)) / PairSize;

    public static int Count(ReadOnlySpan<byte> data, int pairsAt) => ReadUInt16LittleEndian(data[(pairsAt + 2)..]);

    public static void SetCount(Span<byte> data, int pairsAt, int count) =>
        WriteUInt16LittleEndian(data[(pairsAt + 2)..], (ushort)count);

    /// <summary>The key of a pair but the first.</summary>
    public static uint Key(ReadOnlySpan<byte> data, int pairsAt, int index) =>
        ReadUInt32LittleEndian(data[(pairsAt + (index * PairSize))..]);

    /// <summary>The logical block a pair points at.</summary>
    public static uint Block(ReadOnlySpan<byte> data, int pairsAt, int index) =>
        ReadUInt32LittleEndian(data[(pairsAt + (index * PairSize) + 4)..]) & BlockMask;

    /// <summary>The hash function of a checked root.</summary>
    public static HtreeHashVersion Version(ReadOnlySpan<byte> root) => (HtreeHashVersion)root[VersionAt];

    /// <summary>Levels of nodes between a checked root and the leaves.</summary>
    public static int Levels(ReadOnlySpan<byte> root) => root[LevelsAt];

    public static void SetLevels(Span<byte> root, int levels) => root[LevelsAt] = (byte)levels;

    /// <summary>What is wrong with a root; null if nothing.</summary>
    public static string? CheckRoot(ReadOnlySpan<byte> root, DirectoryFormat format, int maximumLevels)
    {
        int dotDot = format.DecodeLength(ReadUInt16LittleEndian(root[(DotDotAt + 4)..]));
        if (ReadUInt16LittleEndian(root[4..]) != DotDotAt || dotDot != format.BlockSize - DotDotAt ||
            ReadUInt32LittleEndian(root[ReservedAt..]) != 0 || root[InfoLengthAt] != InfoLength)
        {
            return "no htree root";
        }
        if (root[VersionAt] > (byte)HtreeHashVersion.Tea)
        {
            return $"unknown hash version {root[VersionAt]}";
        }
        if ((root[FlagsAt] & 1) != 0)
        {
            return "unknown htree flags";
        }
        return root[LevelsAt] > maximumLevels ? $"an htree of {root[LevelsAt]} levels" : CheckPairs(root, format, RootPairs);
    }

    /// <summary>What is wrong with a node; null if nothing.</summary>
    public static string? CheckNode(ReadOnlySpan<byte> node, DirectoryFormat format) =>
        IsNode(node, format) ? CheckPairs(node, format, NodePairs) : "no htree node";

    /// <summary>True if a block looks like a node: to a linear reader it is one free entry.</summary>
    public static bool IsNode(ReadOnlySpan<byte> data, DirectoryFormat format) =>
        ReadUInt32LittleEndian(data) == 0 && format.DecodeLength(ReadUInt16LittleEndian(data[4..])) == format.BlockSize && data[6] == 0;

    private static string? CheckPairs(ReadOnlySpan<byte> data, DirectoryFormat format, int pairsAt)
    {
        int limit = ReadUInt16LittleEndian(data[pairsAt..]);
        int count = Count(data, pairsAt);
        return limit == Limit(format, pairsAt) && count >= 1 && count <= limit ? null : $"{count} of {limit} htree pairs";
    }

    /// <summary>The last pair whose key is not above <paramref name="hash"/>.</summary>
    public static int Search(ReadOnlySpan<byte> data, int pairsAt, uint hash)
    {
        int low = 1, high = Count(data, pairsAt) - 1;
        while (low <= high)
        {
            int middle = (low + high) >>> 1;
            if (Key(data, pairsAt, middle) > hash)
            {
                high = middle - 1;
            }
            else
            {
                low = middle + 1;
            }
        }
        return low - 1;
    }

    /// <summary>Inserts a pair behind pair <paramref name="index"/>; there must be room.</summary>
    public static void InsertAfter(Span<byte> data, int pairsAt, int index, uint key, uint block)
    {
        int count = Count(data, pairsAt);
        int at = pairsAt + ((index + 1) * PairSize);
        data[at..(pairsAt + (count * PairSize))].CopyTo(data[(at + PairSize)..]);
        WriteUInt32LittleEndian(data[at..], key);
        WriteUInt32LittleEndian(data[(at + 4)..], block);
        SetCount(data, pairsAt, count + 1);
    }

    /// <summary>Makes an empty node of a zero-filled block.</summary>
    public static void FormatNode(Span<byte> data, DirectoryFormat format)
    {
        data.Clear();
        DirectoryBlockWriter.SetLength(data, 0, format.BlockSize);
        WriteUInt16LittleEndian(data[NodePairs..], (ushort)Limit(format, NodePairs));
    }

    /// <summary>Makes a root that points at one leaf.</summary>
    public static void FormatRoot(Span<byte> data, DirectoryFormat format, uint self, uint parent, HtreeHashVersion version, uint leaf)
    {
        DirectoryBlockWriter.FormatFirst(data, format, self, parent);
        data[(DotDotAt + DirectoryFormat.MinimumEntry)..].Clear();
        DirectoryBlockWriter.SetLength(data, DotDotAt, format.BlockSize - DotDotAt);
        data[VersionAt] = (byte)version;
        data[InfoLengthAt] = InfoLength;
        WriteUInt16LittleEndian(data[RootPairs..], (ushort)Limit(format, RootPairs));
        SetOnlyPair(data, RootPairs, leaf);
    }

    /// <summary>Leaves one pair, for all hashes.</summary>
    public static void SetOnlyPair(Span<byte> data, int pairsAt, uint block)
    {
        data[(pairsAt + PairSize)..(pairsAt + (PairSize * ReadUInt16LittleEndian(data[pairsAt..])))].Clear();
        SetCount(data, pairsAt, 1);
        WriteUInt32LittleEndian(data[(pairsAt + 4)..], block);
    }

    /// <summary>Copies the pairs from <paramref name="first"/> on to an empty node.</summary>
    public static void CopyPairs(ReadOnlySpan<byte> source, int sourcePairsAt, int first, Span<byte> node)
    {
        int count = Count(source, sourcePairsAt) - first;
        ushort limit = ReadUInt16LittleEndian(node[NodePairs..]);
        source.Slice(sourcePairsAt + (first * PairSize), count * PairSize).CopyTo(node[NodePairs..]);
        // The copied pair 0 has overwritten what its hash field carries.
        WriteUInt16LittleEndian(node[NodePairs..], limit);
        SetCount(node, NodePairs, count);
    }

    /// <summary>Drops the pairs from <paramref name="count"/> on.</summary>
    public static void Truncate(Span<byte> data, int pairsAt, int count)
    {
        data[(pairsAt + (count * PairSize))..(pairsAt + (Count(data, pairsAt) * PairSize))].Clear();
        SetCount(data, pairsAt, count);
    }
}
