namespace WinLoop.Ext4.Format;

/// <summary>t_flags of a descriptor tag.</summary>
[Flags]
internal enum JournalTagFlags : uint
{
    None = 0,
    /// <summary>The image's first four bytes were the magic number and are zero in the log.</summary>
    Escape = 1,
    /// <summary>No UUID follows the tag.</summary>
    SameUuid = 2,
    /// <summary>Written by nobody; ignored.</summary>
    Deleted = 4,
    LastTag = 8,
}

/// <summary>One tag of a descriptor block: the image that follows belongs to <paramref name="Block"/>.</summary>
/// <param name="Block">Physical block number of the home location.</param>
/// <param name="Flags">Flags.</param>
/// <param name="Checksum">The image's checksum as stored: 32 bits (v3), 16 bits (v2) or 0.</param>
internal readonly record struct JournalTag(ulong Block, JournalTagFlags Flags, uint Checksum);
