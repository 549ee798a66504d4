using System.Diagnostics;

namespace WinLoop.Storage;

// Freezing and waiting for tags: everything that is off the fast path.
public sealed partial class RequestQueue
{
    /// <summary>Lets no new request in and waits until none is in flight. Requests that come meanwhile wait
    /// in their submitters' calls. Calls nest: each needs its <see cref="Unfreeze"/>.</summary>
    public void Freeze()
    {
        StartFreeze();
        Drain();
    }

    /// <summary>As <see cref="Freeze"/>, but gives up after a time: then the queue is not frozen.</summary>
    /// <returns>True if the queue is frozen and nothing is in flight.</returns>
    public bool TryFreeze(TimeSpan timeout)
    {
        StartFreeze();
        if (Drain(timeout))
        {
            return true;
        }

        Unfreeze();
        return false;
    }

    /// <summary>Lets no new request in, and waits for nothing (<c>blk_freeze_queue_start</c>).</summary>
    public void StartFreeze()
    {
        lock (_freezeGate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            _freezeDepth++;
        }

        Interlocked.MemoryBarrier();
    }

    /// <summary>Waits until nothing is in flight. Without a freeze this is a moment, not a state.</summary>
    public void Drain() => Drain(Timeout.InfiniteTimeSpan);

    /// <summary>As <see cref="Drain()"/>, for a limited time.</summary>
    /// <returns>False if the time was over first.</returns>
    public bool Drain(TimeSpan timeout)
    {
        long deadline = timeout == Timeout.InfiniteTimeSpan ? long.MaxValue : Environment.TickCount64 + (long)timeout.TotalMilliseconds;
        KickRequeueList();
        lock (_freezeGate)
        {
            Interlocked.Increment(ref _drainWaiters);
            try
            {
                while (_tags.InUse != 0)
                {
                    long left = deadline == long.MaxValue ? Timeout.Infinite : deadline - Environment.TickCount64;
                    if (left < 0 && left != Timeout.Infinite)
                    {
                        return false;
                    }

                    if (left == 0 || !Monitor.Wait(_freezeGate, (int)Math.Min(left, int.MaxValue)))
                    {
                        return _tags.InUse == 0;
                    }
                }

                return true;
            }
            finally
            {
                Interlocked.Decrement(ref _drainWaiters);
            }
        }
    }

    /// <summary>Undoes one <see cref="Freeze"/> or <see cref="StartFreeze"/>; after the last one requests run again.</summary>
    public void Unfreeze()
    {
        lock (_freezeGate)
        {
            if (_disposed)
            {
                return; // disposing is a freeze that stays
            }

            if (_freezeDepth == 0)
            {
                throw new InvalidOperationException("The queue is not frozen.");
            }

            _freezeDepth--;
            if (_freezeDepth == 0)
            {
                Monitor.PulseAll(_freezeGate);
            }
        }

        WakeWorkersForWaiting();
    }

    /// <summary>Waits until there is a tag and no freeze.</summary>
    /// <param name="tag">A tag that was taken while the queue is frozen, or -1.</param>
    private int WaitForTag(int tag)
    {
        while (true)
        {
            if (tag < 0)
            {
                tag = GetTag();
            }

            if (_freezeDepth == 0)
            {
                return tag;
            }

            PutTag(tag);
            tag = -1;
            lock (_freezeGate)
            {
                while (_freezeDepth != 0)
                {
                    ObjectDisposedException.ThrowIf(_disposed, this);
                    Monitor.Wait(_freezeGate);
                }
            }
        }
    }

    private int GetTag()
    {
        int tag = _tags.TryGet(FirstHint() - 1);
        if (tag >= 0)
        {
            return tag;
        }

        Interlocked.Increment(ref _tagWaits);
        lock (_tagGate)
        {
            // A full fence before the search: whoever gives a tag back after it sees this waiter.
            Interlocked.Increment(ref _tagWaiters);
            while ((tag = _tags.TryGet(0)) < 0)
            {
                Monitor.Wait(_tagGate);
            }

            Interlocked.Decrement(ref _tagWaiters);
        }

        return tag;
    }

    private void WakeWaiters()
    {
        if (Volatile.Read(ref _tagWaiters) != 0)
        {
            lock (_tagGate)
            {
                Monitor.Pulse(_tagGate);
            }
        }

        if (Volatile.Read(ref _drainWaiters) != 0 && _tags.InUse == 0)
        {
            lock (_freezeGate)
            {
                Monitor.PulseAll(_freezeGate);
            }
        }

        WakeWorkersForWaiting();
    }
}
