namespace WinLoop.Images.Vhdx;

/// <summary>Places and limits of the format (MS-VHDX, 2.1 and 2.2). All numbers in the file are little-endian.</summary>
internal static class VhdxLayout
{
    /// <summary>The unit in which everything after the headers is placed, in bytes.</summary>
    public const int MiB = 1 << 20;

    /// <summary>The unit of the log, and of what is changed through it, in bytes.</summary>
    public const int Sector = 4096;

    /// <summary>Where the two headers begin; the space of one in the file is larger than the header.</summary>
    public const long Header1 = 64 * 1024;

    /// <summary>See <see cref="Header1"/>.</summary>
    public const long Header2 = 128 * 1024;

    /// <summary>Bytes of a header that are read and summed.</summary>
    public const int HeaderSize = 4096;

    /// <summary>Where the two region tables begin.</summary>
    public const long RegionTable1 = 192 * 1024;

    /// <summary>See <see cref="RegionTable1"/>.</summary>
    public const long RegionTable2 = 256 * 1024;

    /// <summary>Bytes of a region table, and of a metadata table.</summary>
    public const int TableSize = 64 * 1024;

    /// <summary>Entries that a region or metadata table may have.</summary>
    public const int MaxTableEntries = 2047;

    /// <summary>Largest virtual disk in bytes: 64 TiB.</summary>
    public const long MaxDiskSize = 1L << 46;

    /// <summary>Where no VHDX of a disk of <see cref="MaxDiskSize"/> has anything any more: 128 TiB.</summary>
    public const long MaxFileLength = 1L << 47;

    /// <summary>The longest log that is replayed or written. Every writer known makes 1 MiB.</summary>
    public const int MaxLogLength = 64 * MiB;

    /// <summary>Sectors that one block of the sector bitmap (1 MiB) stands for.</summary>
    public const long SectorsPerBitmap = 1L << 23;

    /// <summary>The region of the block allocation table.</summary>
    public static readonly Guid BatRegion = new("2DC27766-F623-4200-9D64-115E9BFD4A08");

    /// <summary>The region of the metadata.</summary>
    public static readonly Guid MetadataRegion = new("8B7CA206-4790-4B9A-B8FE-575F050F886E");

    /// <summary>First bytes of the file.</summary>
    public static ReadOnlySpan<byte> Signature => "vhdxfile"u8;

    /// <summary>The next multiple of 1 MiB; the value must be far from overflow.</summary>
    public static long AlignUp(long value) => (value + MiB - 1) & ~(long)(MiB - 1);
}
