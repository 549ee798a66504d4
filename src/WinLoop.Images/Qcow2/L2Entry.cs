namespace WinLoop.Images.Qcow2;

/// <summary>What a cluster of the disk is.</summary>
internal enum ClusterKind
{
    /// <summary>Not in the file: the backing file's, or zeroes.</summary>
    Unallocated,

    /// <summary>In the file.</summary>
    Data,

    /// <summary>Zeroes; a cluster of the file may be kept for it.</summary>
    Zero,

    /// <summary>In the file, compressed.</summary>
    Compressed,
}

/// <summary>An entry of an L2 table.</summary>
/// <param name="Raw">Its 64 bits.</param>
internal readonly record struct L2Entry(ulong Raw)
{
    /// <summary>Nobody else refers to the cluster (or the table, in an L1 entry): it may be changed in place.</summary>
    public const ulong Copied = 1UL << 63;

    /// <summary>Reads as zeroes (version 3).</summary>
    public const ulong ZeroFlag = 1;

    /// <summary>The bits of an offset in entries of all tables.</summary>
    public const ulong OffsetMask = 0x00FF_FFFF_FFFF_FE00;

    private const ulong CompressedFlag = 1UL << 62;

    public ClusterKind Kind =>
        (Raw & CompressedFlag) != 0 ? ClusterKind.Compressed
        : (Raw & ZeroFlag) != 0 ? ClusterKind.Zero
        : (Raw & OffsetMask) != 0 ? ClusterKind.Data : ClusterKind.Unallocated;

    /// <summary>First byte of the cluster in the file; 0: none. Not of a compressed one.</summary>
    public long Offset => (long)(Raw & OffsetMask);

    /// <summary>See <see cref="Copied"/>.</summary>
    public bool IsCopied => (Raw & Copied) != 0;

    /// <summary>It can be written where it is.</summary>
    public bool IsInPlace => (Raw & (Copied | CompressedFlag | ZeroFlag)) == Copied && Offset != 0;

    /// <summary>An entry for a cluster of the file that nobody else refers to.</summary>
    public static L2Entry Data(long offset) => new((ulong)offset | Copied);

    /// <summary>First byte of compressed data.</summary>
    public long CompressedOffset(int clusterBits) => (long)(Raw & ((1UL << CompressedShift(clusterBits)) - 1));

    /// <summary>Bytes that compressed data may have: to the end of the last of its sectors.</summary>
    public int CompressedSize(int clusterBits)
    {
        int shift = CompressedShift(clusterBits);
        long more = (long)((Raw & (CompressedFlag - 1)) >> shift);
        return (int)(((more + 1) * 512) - (CompressedOffset(clusterBits) & 511));
    }

    // The larger the cluster, the more bits the number of sectors takes.
    private static int CompressedShift(int clusterBits) => 62 - (clusterBits - 8);
}
