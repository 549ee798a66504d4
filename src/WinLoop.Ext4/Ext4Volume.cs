using WinLoop.Ext4.Allocation;
using WinLoop.Ext4.Attributes;
using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Directories;
using WinLoop.Ext4.Extents;
using WinLoop.Ext4.Files;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Inodes;
using WinLoop.Ext4.Journal;
using WinLoop.Ext4.Orphans;
using WinLoop.Storage;

namespace WinLoop.Ext4;

/// <summary>A mounted ext4 volume. All members may be called from several threads at once.</summary>
public sealed partial class Ext4Volume : IDisposable
{
    /// <summary>The number of the root directory.</summary>
    public const uint RootInode = 2;

    private int _isDisposed;
    private volatile bool _stoppedWriting;

    private Ext4Volume(IBlockDevice device, Superblock superblock, Ext4MountOptions options)
    {
        Device = device;
        Superblock = superblock;
        Options = options;
        Geometry = Geometry.Create(superblock, device.Length);
        Checksums = new BlockChecksums(Geometry);
        Cache = new BlockCache(device, Geometry, Checksums, options.CacheBytes);
        Groups = new BlockGroups(this);
        Blocks = new BlockAllocator(this);
        InodeNumbers = new InodeAllocator(this);
        Inodes = new InodeCache(this);
        Extents = new ExtentTree(this);
        Files = new FileStore(this);
        Directories = new DirectoryStore(this);
        Attributes = new AttributeStore(this);
        Orphans = new OrphanStore(this);
        Journal = null!;
    }

    internal IBlockDevice Device { get; }
    /// <summary>The superblock in memory; while mounted its free counts are stale, as on the disk.</summary>
    public Superblock Superblock { get; private set; }
    /// <summary>Sizes, counts and features.</summary>
    public Geometry Geometry { get; }
    /// <summary>How it was mounted.</summary>
    public Ext4MountOptions Options { get; }
    internal BlockChecksums Checksums { get; }
    internal BlockCache Cache { get; }
    internal JournalManager Journal { get; private set; }
    internal BlockGroups Groups { get; }
    internal BlockAllocator Blocks { get; }
    internal InodeAllocator InodeNumbers { get; }
    internal InodeCache Inodes { get; }
    internal ExtentTree Extents { get; }
    internal FileStore Files { get; }
    internal DirectoryStore Directories { get; }
    internal AttributeStore Attributes { get; }
    internal OrphanStore Orphans { get; }

    /// <summary>True if nothing may be written: asked for, forced by a feature, or after an error.</summary>
    public bool IsReadOnly => _stoppedWriting || MountedReadOnly;

    /// <summary>Why a mount that was asked to be writable is not; null otherwise.</summary>
    public string? ReadOnlyReason { get; private set; }

    /// <summary>What recovery did at the mount; null if the volume was clean.</summary>
    public string? RecoveryReport { get; private set; }

    private bool MountedReadOnly { get; set; }

    internal void RequireWritable()
    {
        if (IsReadOnly)
        {
            throw new Ext4Exception(Errno.EROFS, ReadOnlyReason is { } reason ? $"The volume is read-only: {reason}" : "The volume is read-only.");
        }
    }

    internal void FlushDevice()
    {
        if (Options.UseBarriers)
        {
            Device.Flush();
        }
    }

    // ---- callbacks of the journal

    internal void OnTransactionDurable(Transaction transaction)
    {
        if (transaction.FreedBlocks.Count != 0)
        {
            Blocks.OnCommitted(transaction.FreedBlocks);
        }
        if (transaction.FreedInodes.Count != 0)
        {
            InodeNumbers.OnCommitted(transaction.FreedInodes);
        }
    }

    internal void OnJournalAborted(Exception reason)
    {
        ReadOnlyReason ??= reason.Message;
        _stoppedWriting = true;
    }

    /// <summary>
    /// Exception filter of every operation: damage found on a writable volume stops writing, so that it does
    /// not spread; an operation that broke off inside a handle aborts the journal, because the half of it
    /// that is in the transaction must not become durable. Always false.
    /// </summary>
    internal bool OnFailure(Exception e)
    {
        if (MountedReadOnly || _stoppedWriting)
        {
            return false;
        }
        bool insideHandle = JournalManager.IsHandleOpen;
        if (e is Ext4Exception or Ext4NotSupportedException || (e is BlockDeviceException && !insideHandle))
        {
            return false;
        }
        if (insideHandle)
        {
            Journal.Abort(e);
            NoteError();
        }
        else if (e is Ext4CorruptException)
        {
            NoteError();
            if (!Journal.IsActive)
            {
                Journal.Abort(e);
            }
            else
            {
                // What was done before the damage was met is sound and is kept.
                TryCommitThenAbort(e);
            }
        }
        return false;
    }

    private void TryCommitThenAbort(Exception reason)
    {
        try
        {
            Journal.Commit(Journal.RunningTid);
        }
        catch (Ext4Exception)
        {
            // Aborted by its own failure.
        }
        Journal.Abort(reason);
    }

    /// <summary>Stops writing, commits, checkpoints, marks the volume clean and closes the device.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0)
        {
            return;
        }
        try
        {
            Unmount();
        }
        finally
        {
            Journal?.Dispose();
            Cache.Dispose();
            Device.Dispose();
        }
    }
}
