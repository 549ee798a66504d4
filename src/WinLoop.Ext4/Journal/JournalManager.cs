using System.Diagnostics;
using WinLoop.Ext4.Cache;
using WinLoop.Storage;

namespace WinLoop.Ext4.Journal;

/// <summary>
/// The running transaction, its handles and its commits (jbd2's <c>journal_t</c>). With a log, a commit
/// writes the transaction there and a later checkpoint brings it home; a volume without a journal goes the
/// same way with the home locations as its only target.
/// </summary>
internal sealed partial class JournalManager : IDisposable
{
    // Bounds of one transaction; a commit copies it while no handle is open.
    private const int MaxTransactionBytes = 16 << 20;
    private const int MaxTransactionBlocks = 4096;

    [ThreadStatic]
    private static Handle? t_spare;
    [ThreadStatic]
    private static Handle? t_open;

    private readonly Ext4Volume _volume;
    private readonly JournalLog? _log;
    private readonly object _lock = new();
    private readonly object _commitLock = new();
    private readonly int _maxTransaction;
    private readonly CommitStream _stream;
    private Transaction _running;
    private readonly uint _firstTid;
    private uint _committedTid;
    private volatile Exception? _abortReason;
    private volatile bool _isActive;
    // The disk says that the volume is in use. Set under the commit lock, cleared under both locks.
    private volatile bool _isMarked;
    // No handle may be opened (Quiesce). Guarded by _lock.
    private bool _isQuiesced;
    // Who has frozen the journal; guarded by _lock.
    private Thread? _freezer;

    /// <param name="volume">The volume.</param>
    /// <param name="log">The log, or null on a volume without a journal.</param>
    public JournalManager(Ext4Volume volume, JournalLog? log)
    {
        _volume = volume;
        _log = log;
        int blockSize = volume.Geometry.BlockSize;
        int limit = Math.Min(MaxTransactionBlocks, MaxTransactionBytes / blockSize);
        _maxTransaction = log is null ? limit : Math.Min(limit, log.Capacity / 4);
        _stream = new CommitStream(blockSize);
        uint first = log?.FirstTid ?? 1;
        _firstTid = first;
        _running = new Transaction(first);
        _committedTid = unchecked(first - 1);
    }

    /// <summary>The most blocks one handle may ask for while the journal is frozen: its transaction is alone.</summary>
    public int MaxFrozenCredits => _log is null ? _maxTransaction : Math.Max(_maxTransaction, Math.Min(_log.Capacity / 4 * 3, MaxTransactionBlocks));

    /// <summary>The most blocks one handle may ask for.</summary>
    public int MaxCredits => _maxTransaction / 2;

    /// <summary>The id of the running transaction.</summary>
    public uint RunningTid => Volatile.Read(ref _running).Tid;

    /// <summary>Why no more transactions are accepted; null while the journal works.</summary>
    public Exception? AbortReason => _abortReason;

    /// <summary>True once something was changed since the mount.</summary>
    public bool IsActive => _isActive;

    /// <summary>True if a handle of the calling thread is open.</summary>
    public static bool IsHandleOpen => t_open is not null;

    /// <summary>Transactions committed since the mount.</summary>
    public uint CommitCount => unchecked(Volatile.Read(ref _committedTid) - _firstTid + 1);

    /// <summary>True if the transaction is durable.</summary>
    public bool IsCommitted(uint tid) => !Transaction.IsAfter(tid, Volatile.Read(ref _committedTid));

    /// <summary>Opens a handle in the running transaction; waits while that one is closing or full.</summary>
    /// <param name="credits">The most distinct blocks the handle will join.</param>
    /// <exception cref="Ext4Exception">EROFS: the volume is read-only or the journal was aborted.</exception>
    public Handle Start(int credits)
    {
        if (t_open is not null)
        {
            throw new InvalidOperationException("This thread has an open handle.");
        }
        bool isFreezer = Volatile.Read(ref _freezer) == Thread.CurrentThread;
        if (credits > (isFreezer ? MaxFrozenCredits : _maxTransaction))
        {
            throw new InvalidOperationException($"A handle of {credits} blocks in a journal that takes {_maxTransaction}.");
        }
        _volume.RequireWritable();
        if (_volume.Options.Hooks is { CommitsEachHandle: true })
        {
            Commit(RunningTid);
        }
        Handle handle = t_spare ?? new Handle();
        t_spare = null;
        while (true)
        {
            if (!_isMarked)
            {
                Activate();
            }
            uint full;
            lock (_lock)
            {
                while (_running.IsLocked || _isQuiesced || (_freezer is not null && !isFreezer))
                {
                    Monitor.Wait(_lock);
                }
                ThrowIfAborted();
                if (!_isMarked)
                {
                    continue; // it was marked clean just now
                }
                Transaction running = _running;
                if (HasRoom(running, credits))
                {
                    running.OpenHandles++;
                    running.OutstandingCredits += credits;
                    if (running.FirstChangeAt == 0)
                    {
                        running.FirstChangeAt = Stopwatch.GetTimestamp();
                    }
                    handle.Open(this, running, credits);
                    t_open = handle;
                    return handle;
                }
                full = running.Tid;
            }
            Commit(full);
        }
    }

    /// <summary>Lets open handles finish, commits, and keeps everybody else's handles waiting until
    /// <see cref="Unfreeze"/>: what the calling thread changes meanwhile is a transaction of its own. Called with
    /// no handle open and no lock held.</summary>
    /// <exception cref="Ext4Exception">The journal was aborted; it is not frozen then.</exception>
    public void Freeze()
    {
        lock (_lock)
        {
            while (_freezer is not null)
            {
                Monitor.Wait(_lock);
            }
            _freezer = Thread.CurrentThread;
            while (_running.OpenHandles > 0)
            {
                Monitor.Wait(_lock);
            }
        }
        try
        {
            Commit(RunningTid);
        }
        catch
        {
            Unfreeze();
            throw;
        }
    }

    /// <summary>Ends <see cref="Freeze"/>.</summary>
    public void Unfreeze()
    {
        lock (_lock)
        {
            _freezer = null;
            Monitor.PulseAll(_lock);
        }
    }

    internal void Stop(Handle handle)
    {
        if (!ReferenceEquals(t_open, handle))
        {
            throw new InvalidOperationException("A handle was closed by another thread or twice.");
        }
        t_open = null;
        lock (_lock)
        {
            Transaction transaction = handle.Transaction;
            transaction.OutstandingCredits -= handle.Reserved;
            if (--transaction.OpenHandles == 0 && (transaction.IsLocked || _freezer is not null))
            {
                Monitor.PulseAll(_lock);
            }
        }
        t_spare = handle;
    }

    internal bool TryExtend(Handle handle, int credits)
    {
        lock (_lock)
        {
            Transaction transaction = handle.Transaction;
            if (transaction.IsLocked || _abortReason is not null || !HasRoom(transaction, credits))
            {
                return false;
            }
            transaction.OutstandingCredits += credits;
            handle.Reserved += credits;
            handle.Credits += credits;
            return true;
        }
    }

    internal void JoinDescriptor(Handle handle, uint group)
    {
        Transaction transaction = handle.Transaction;
        lock (transaction.Buffers)
        {
            if (!transaction.DirtyGroups.Add(group))
            {
                return;
            }
        }
        using MetadataBuffer buffer = _volume.Cache.Read(_volume.Groups.DescriptorBlock(group), BufferKind.Descriptors);
        handle.Join(buffer);
    }

    internal void JoinSuperblock(Handle handle)
    {
        if (handle.Transaction.IsSuperblockDirty)
        {
            return;
        }
        using MetadataBuffer buffer = _volume.ReadSuperblockBuffer();
        handle.Join(buffer);
        handle.Transaction.IsSuperblockDirty = true;
    }

    internal void Revoke(Handle handle, ulong block, uint count)
    {
        Transaction transaction = handle.Transaction;
        for (ulong b = block; b < block + count; b++)
        {
            if (_volume.Cache.TryGetCached(b) is { } buffer)
            {
                lock (buffer)
                {
                    buffer.IsForgotten = true;
                }
                buffer.Dispose();
            }
            if (_log is not null)
            {
                lock (transaction.Buffers)
                {
                    transaction.Revoked.Add(b);
                }
            }
        }
    }

    /// <summary>
    /// Stops writing for good: nothing more is committed or checkpointed, readers go on. The running
    /// transaction is dropped.
    /// </summary>
    public void Abort(Exception reason)
    {
        lock (_lock)
        {
            if (_abortReason is not null)
            {
                return;
            }
            _abortReason = reason;
            Monitor.PulseAll(_lock);
        }
        _volume.OnJournalAborted(reason);
        if (!_isActive)
        {
            return; // nothing was changed, so nothing is noted
        }
        try
        {
            _log?.RecordError();
        }
        catch (BlockDeviceException)
        {
            // The device that failed is the one that would keep the note.
        }
    }

    private void Activate()
    {
        lock (_commitLock)
        {
            if (!_isMarked)
            {
                try
                {
                    _volume.MarkInUse(isFirst: !_isActive);
                }
                catch (BlockDeviceException e)
                {
                    Abort(e);
                    throw;
                }
                _isActive = true;
                _isMarked = true;
                StartBackgroundThread();
            }
        }
    }

    private bool HasRoom(Transaction transaction, int credits) =>
        transaction.OutstandingCredits + credits + transaction.Buffers.Count + (transaction.Revoked.Count >> 6) <=
            (_freezer is null ? _maxTransaction : MaxFrozenCredits);

    private void ThrowIfAborted()
    {
        if (_abortReason is { } reason)
        {
            throw new Ext4Exception(Errno.EROFS, "The volume stopped accepting writes: " + reason.Message);
        }
    }
}
