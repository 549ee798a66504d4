namespace WinLoop.Images.Vhdx;

/// <summary>What a block of the disk, or of the sector bitmap, is (MS-VHDX, 2.5.1).</summary>
internal enum BlockState
{
    /// <summary>The parent's content; zeroes without a parent. Also a sector bitmap that is not there.</summary>
    NotPresent = 0,
    /// <summary>Any content; zeroes here. Never the parent's.</summary>
    Undefined = 1,
    /// <summary>Zeroes.</summary>
    Zero = 2,
    /// <summary>Given up; zeroes here. Never the parent's.</summary>
    Unmapped = 3,
    /// <summary>All of it is in this file. Also a sector bitmap that is there.</summary>
    FullyPresent = 6,
    /// <summary>The sectors whose bits are set are in this file, the others in the parent.</summary>
    PartiallyPresent = 7,
}

/// <summary>An entry of the block allocation table: 3 bits of state, 17 reserved, 44 of the place in MiB.</summary>
internal readonly record struct BatEntry(ulong Raw)
{
    private const int OffsetShift = 20;

    public BatEntry(BlockState state, long offset)
        : this(((ulong)offset & ~0xFFFFFUL) | (uint)state)
    {
    }

    public BlockState State => (BlockState)(Raw & 7);

    /// <summary>The place in MiB, which always fits; <see cref="Offset"/> is right only if it was checked.</summary>
    public ulong OffsetMiB => Raw >> OffsetShift;

    /// <summary>First byte in the file.</summary>
    public long Offset => (long)(Raw & ~0xFFFFFUL);

    /// <summary>True if the content, or a part of it, is in this file.</summary>
    public bool IsInFile => State is BlockState.FullyPresent or BlockState.PartiallyPresent;
}
