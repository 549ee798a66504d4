using System.Diagnostics;
using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Inodes;
using WinLoop.Ext4.Journal.Recovery;
using WinLoop.Storage;

namespace WinLoop.Ext4.Journal;

// Commit: close the running transaction, copy it while no handle is open, write the copy.
internal sealed partial class JournalManager
{
    private readonly List<LoggedBlock> _images = [];
    private Thread? _thread;
    private volatile bool _isStopping;

    /// <summary>Returns when the transaction is durable; several callers share one commit.</summary>
    /// <exception cref="Ext4Exception">EIO: the journal was aborted before.</exception>
    public void Commit(uint tid)
    {
        if (IsCommitted(tid))
        {
            return;
        }
        if (t_open is not null)
        {
            throw new InvalidOperationException("A commit would wait for this thread's own handle.");
        }
        lock (_commitLock)
        {
            if (!IsCommitted(tid))
            {
                CommitRunning();
            }
        }
    }

    /// <summary>Writes everything committed to its home location and empties the log.</summary>
    /// <exception cref="Ext4Exception">EIO: the journal was aborted, now or before.</exception>
    public void CheckpointAll()
    {
        LockOrder.EnteringCommit();
        lock (_commitLock)
        {
            RequireNotAborted();
            Guard(() => _log?.Checkpoint(_volume, RunningTid));
        }
    }

    /// <summary>Commits what is running, brings everything home, marks log and volume clean, and goes on: the next handle
    /// marks the volume as in use again. Handles wait meanwhile.</summary>
    public void Quiesce()
    {
        LockOrder.EnteringCommit();
        lock (_commitLock)
        {
            if (!_isMarked && _abortReason is null)
            {
                Guard(_volume.FlushContent);
                return;
            }
            lock (_lock)
            {
                _isQuiesced = true;
            }
            try
            {
                CommitRunning();
                Guard(() =>
                {
                    _log?.Close(_volume, RunningTid);
                    _volume.MarkUnused();
                });
            }
            finally
            {
                lock (_lock)
                {
                    _isMarked = _abortReason is not null;
                    _isQuiesced = false;
                    Monitor.PulseAll(_lock);
                }
            }
        }
    }

    /// <summary>Has the log in other blocks from now on; right after <see cref="Quiesce"/>.</summary>
    public void RelocateLog(JournalMap map)
    {
        lock (_commitLock)
        {
            RequireNotAborted();
            _log!.Relocate(map);
        }
    }

    /// <summary>Commits what is running, brings everything home and marks the log empty.</summary>
    public void Shutdown()
    {
        StopBackgroundThread();
        if (!_isActive || _abortReason is not null)
        {
            return;
        }
        Commit(RunningTid);
        if (!_isMarked)
        {
            return; // everything is home and the marks are set
        }
        LockOrder.EnteringCommit();
        lock (_commitLock)
        {
            Guard(() => _log?.Close(_volume, RunningTid));
        }
    }

    public void Dispose()
    {
        StopBackgroundThread();
        _stream.Dispose();
        _log?.Dispose();
    }

    private void CommitRunning()
    {
        RequireNotAborted();
        Transaction transaction;
        lock (_lock)
        {
            transaction = _running;
            transaction.IsLocked = true;
            while (transaction.OpenHandles > 0)
            {
                Monitor.Wait(_lock);
            }
            if (transaction.IsEmpty)
            {
                transaction.IsLocked = false;
                transaction.FirstChangeAt = 0;
                Monitor.PulseAll(_lock);
            }
        }
        if (!transaction.IsLocked)
        {
            Guard(_volume.FlushDevice);
            return;
        }
        try
        {
            if (_abortReason is null)
            {
                Guard(() => Snapshot(transaction));
            }
        }
        finally
        {
            lock (_lock)
            {
                _running = new Transaction(unchecked(transaction.Tid + 1));
                Monitor.PulseAll(_lock);
            }
        }
        RequireNotAborted();
        Guard(() => WriteOut(transaction));
        Volatile.Write(ref _committedTid, transaction.Tid);
        _volume.OnTransactionDurable(transaction);
        _images.Clear();
        _stream.Trim();
        if (_log is { IsHalfFull: true })
        {
            Guard(() => _log.Checkpoint(_volume, RunningTid));
        }
    }

    // No handle is open: block contents stand still. Checksums are renewed once per transaction, here.
    private void Snapshot(Transaction transaction)
    {
        foreach (uint group in transaction.DirtyGroups)
        {
            using MetadataBuffer table = _volume.Cache.Read(_volume.Groups.DescriptorBlock(group), BufferKind.Descriptors);
            _volume.Groups.Encode(group, table.Data);
        }
        if (transaction.IsSuperblockDirty)
        {
            using MetadataBuffer buffer = _volume.ReadSuperblockBuffer();
            _volume.EncodeSuperblock(buffer.Data);
        }
        transaction.Buffers.Sort(static (a, b) => a.Block.CompareTo(b.Block));
        int live = 0;
        foreach (MetadataBuffer buffer in transaction.Buffers)
        {
            live += buffer.IsForgotten ? 0 : 1;
        }
        _images.Clear();
        int revokeBlocks = _log?.BlocksForRevokes(transaction.Revoked.Count) ?? 0;
        int perDescriptor = _log?.TagsPerBlock ?? int.MaxValue;
        int descriptors = _log is null ? 0 : (live + perDescriptor - 1) / perDescriptor;
        _stream.Begin(revokeBlocks + descriptors + live);
        int at = revokeBlocks;
        foreach (MetadataBuffer buffer in transaction.Buffers)
        {
            if (!buffer.IsForgotten)
            {
                if (_log is not null && _images.Count % perDescriptor == 0)
                {
                    at++;
                }
                _volume.Checksums.Update(buffer.Block, buffer.Data, buffer.Kind, buffer.Seed);
                buffer.Data.CopyTo(_stream[at]);
                _images.Add(new LoggedBlock(buffer, at++, transaction.Tid));
            }
            lock (buffer)
            {
                buffer.Transaction = null;
                if (buffer.IsForgotten)
                {
                    buffer.IsLoaded = false;
                    buffer.IsVerified = false;
                }
                else
                {
                    buffer.LastTid = transaction.Tid;
                    buffer.AwaitsCheckpoint = true;
                }
            }
            buffer.Dispose(); // the reference that joining took
        }
    }

    private void WriteOut(Transaction transaction)
    {
        if (_log is not null)
        {
            _log.Write(_volume, transaction, _stream, _images);
            return;
        }
        HomeWriter.Write(_volume.Device, _stream, _images, _volume.Geometry.BlockSizeBits);
        _volume.FlushDevice();
        foreach (LoggedBlock image in _images)
        {
            image.Release(transaction.Tid);
        }
    }

    private void RequireNotAborted()
    {
        if (_abortReason is { } reason)
        {
            throw new Ext4Exception(Errno.EIO, "The journal was aborted: " + reason.Message);
        }
    }

    // A failing device, a damaged structure, anything unforeseen: it ends all writing, and what is on the
    // disk stays consistent.
    private void Guard(Action step)
    {
        try
        {
            step();
        }
        catch (Exception e)
        {
            Abort(e);
            throw new Ext4Exception(Errno.EIO, "The journal was aborted: " + e.Message);
        }
    }

    private void StartBackgroundThread()
    {
        if (_volume.Options.UseBackgroundCommit && _thread is null)
        {
            _thread = new Thread(RunBackground, 256 << 10) { IsBackground = true, Name = "winloop-commit" };
            _thread.Start();
        }
    }

    private void StopBackgroundThread()
    {
        if (_thread is { } thread)
        {
            lock (thread)
            {
                _isStopping = true;
                Monitor.PulseAll(thread);
            }
            thread.Join();
            _thread = null;
        }
    }

    private void RunBackground()
    {
        Thread self = Thread.CurrentThread;
        long interval = Math.Max(1, _volume.Options.CommitInterval) * Stopwatch.Frequency;
        while (true)
        {
            lock (self)
            {
                if (_isStopping)
                {
                    return;
                }
                Monitor.Wait(self, 500);
                if (_isStopping)
                {
                    return;
                }
            }
            _volume.CheckForSleep();
            Transaction running = Volatile.Read(ref _running);
            long since = running.FirstChangeAt;
            if (since != 0 && Stopwatch.GetTimestamp() - since >= interval && _abortReason is null)
            {
                try
                {
                    Commit(running.Tid);
                }
                catch (Exception e)
                {
                    // Nobody waits for this commit: the reason is kept and every later operation reports it.
                    Abort(e);
                    return;
                }
            }
        }
    }
}
