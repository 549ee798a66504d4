using WinLoop.Ext4.Format;

namespace WinLoop.Ext4.Create;

/// <summary>What <see cref="Ext4Creator"/> makes. The defaults are those of <c>mkfs.ext4</c>.</summary>
public sealed record Ext4CreateOptions
{
    /// <summary>Volume name, at most 16 bytes of UTF-8.</summary>
    public string Label { get; init; } = "";
    /// <summary>The volume's UUID; random if null.</summary>
    public Guid? Uuid { get; init; }
    /// <summary>Seed of the directory hashes; random if null.</summary>
    public Guid? HashSeed { get; init; }
    /// <summary>All times in the new volume (whole seconds); now if null.</summary>
    public Timestamp? Time { get; init; }
    /// <summary>Bytes per block: 1024, 2048 or 4096; 0 = by the device's size.</summary>
    public int BlockSize { get; init; }
    /// <summary>Bytes per inode: a power of two from 128 to the block size.</summary>
    public int InodeSize { get; init; } = 256;
    /// <summary>One inode is made for so many bytes of the device, 1,024 to 67,108,864; 0 = by the device's size.</summary>
    public int BytesPerInode { get; init; }
    /// <summary>False = no journal. Devices of less than 2,048 blocks have none anyway.</summary>
    public bool HasJournal { get; init; } = true;
    /// <summary>Blocks in the journal, 1,024 to 10,240,000; 0 = by the device's size.</summary>
    public uint JournalBlocks { get; init; }
    /// <summary>Feature 64bit: room for more than 2^32 blocks.</summary>
    public bool Is64Bit { get; init; } = true;
    /// <summary>Feature metadata_csum: checksums on all metadata.</summary>
    public bool HasMetadataChecksums { get; init; } = true;
    /// <summary>Feature metadata_csum_seed: the UUID can be changed without rewriting the checksums.</summary>
    public bool HasChecksumSeed { get; init; }
    /// <summary>Feature orphan_file: unlinked open files are kept in a file instead of a list. Needs a journal.</summary>
    public bool HasOrphanFile { get; init; }
    /// <summary>Owner of the root directory.</summary>
    public uint RootUid { get; init; }
    /// <summary>Group of the root directory.</summary>
    public uint RootGid { get; init; }
    /// <summary>Share of the blocks that only root may fill, 0 to 50.</summary>
    public double ReservedPercent { get; init; } = 5;
    /// <summary>The device reads as zeroes all over (a fresh sparse file): only other bytes are written.</summary>
    public bool IsZeroed { get; init; }
    /// <summary>Leave inode tables of a device that is not zeroed as they are; the kernel zeroes them
    /// later, in the background. Needs checksums.</summary>
    public bool UseLazyInodeTables { get; init; }
    /// <summary>Discard all of a device that is not zeroed first.</summary>
    public bool Discard { get; init; } = true;
}
