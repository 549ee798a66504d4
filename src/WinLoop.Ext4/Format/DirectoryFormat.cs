namespace WinLoop.Ext4.Format;

/// <summary>What the directory blocks of a volume have in common.</summary>
/// <param name="blockSize">Bytes per block, 1,024 to 65,536.</param>
/// <param name="inodesCount">The largest inode number an entry may hold.</param>
/// <param name="hasFileType">Byte 7 of an entry is its type (filetype); otherwise it is 0.</param>
/// <param name="hasTail">Blocks end in a checksum entry, index blocks in a checksum (metadata_csum).</param>
internal sealed class DirectoryFormat(int blockSize, uint inodesCount, bool hasFileType, bool hasTail)
{
    /// <summary>Bytes of an entry before its name.</summary>
    public const int HeaderSize = 8;
    /// <summary>The smallest entry: one byte of name, padded.</summary>
    public const int MinimumEntry = 12;
    /// <summary>Bytes of the checksum entry at a block's end.</summary>
    public const int TailSize = 12;
    /// <summary>The type byte of the checksum entry.</summary>
    public const byte TailType = 0xDE;
    /// <summary>The longest name in bytes.</summary>
    public const int MaximumName = 255;

    public int BlockSize { get; } = blockSize;

    /// <summary>Changes when the volume is resized.</summary>
    public uint InodesCount { get; internal set; } = inodesCount;

    public bool HasFileType { get; } = hasFileType;

    public bool HasTail { get; } = hasTail;

    /// <summary>Bytes that entries of a new block may fill.</summary>
    public int Usable => HasTail ? BlockSize - TailSize : BlockSize;

    /// <summary>Bytes an entry needs.</summary>
    public static int Need(int nameLength) => (HeaderSize + nameLength + 3) & ~3;

    /// <summary>The length that a stored rec_len stands for; in 64 KiB blocks FFFF (and 0) is the whole block.</summary>
    public int DecodeLength(int stored) => BlockSize == 65536 && stored is 0xFFFF or 0 ? BlockSize : stored;

    /// <summary>The stored form of a length.</summary>
    public static ushort EncodeLength(int length) => length == 65536 ? (ushort)0xFFFF : (ushort)length;
}
