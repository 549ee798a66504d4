using WinLoop.Ext4.Allocation;
using WinLoop.Ext4.Attributes;
using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Directories;
using WinLoop.Ext4.Extents;
using WinLoop.Ext4.Files;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Inodes;
using WinLoop.Ext4.Journal;
using WinLoop.Storage;

namespace WinLoop.Ext4;

/// <summary>A mounted ext4 volume. All members may be called from several threads at once.</summary>
public sealed partial class Ext4Volume : IDisposable
{
    internal IBlockDevice Device { get; private set; } = null!;
    internal Superblock Superblock { get; private set; } = null!;
    /// <summary>Sizes, counts and features.</summary>
    public Geometry Geometry { get; private set; } = null!;
    /// <summary>How it was mounted.</summary>
    public Ext4MountOptions Options { get; private set; } = null!;
    internal BlockCache Cache { get; private set; } = null!;
    internal BlockChecksums Checksums { get; private set; } = null!;
    internal JournalManager Journal { get; private set; } = null!;
    internal BlockGroups Groups { get; private set; } = null!;
    internal BlockAllocator Blocks { get; private set; } = null!;
    internal InodeAllocator InodeNumbers { get; private set; } = null!;
    internal InodeCache Inodes { get; private set; } = null!;
    internal ExtentTree Extents { get; private set; } = null!;
    internal FileStore Files { get; private set; } = null!;
    internal DirectoryStore Directories { get; private set; } = null!;
    internal AttributeStore Attributes { get; private set; } = null!;

    /// <summary>True if nothing may be written.</summary>
    public bool IsReadOnly { get; private set; }

    /// <summary>Why a mount that was asked to be writable is not; null otherwise.</summary>
    public string? ReadOnlyReason { get; private set; }

    /// <summary>The number of the root directory.</summary>
    public const uint RootInode = 2;

    /// <summary>Mounts: checks the superblock, recovers the journal, processes orphans.</summary>
    /// <param name="device">The volume's device; disposed with the volume.</param>
    /// <param name="options">How.</param>
    /// <exception cref="Ext4NotSupportedException">An INCOMPAT feature this engine does not have.</exception>
    /// <exception cref="Ext4CorruptException">Not ext4, or damaged.</exception>
    public static Ext4Volume Mount(IBlockDevice device, Ext4MountOptions options) => throw new NotImplementedException();

    /// <summary>Stops writing, commits, checkpoints, marks the volume clean and closes the device.</summary>
    public void Dispose() => throw new NotImplementedException();

    internal void RequireWritable()
    {
        if (IsReadOnly)
        {
            throw new Ext4Exception(Errno.EROFS);
        }
    }
}
