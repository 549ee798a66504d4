namespace WinLoop.Ext4.Inodes;

/// <summary>
/// A small reader/writer lock, one per inode: one word when free, a monitor only when somebody waits.
/// Not recursive. Writers are not starved: readers queue behind a waiting writer.
/// </summary>
internal sealed class InodeLock(Inode owner)
{
    private const int Writer = -1;
    private int _state;             // Writer, or the number of readers
    private int _waiting;
    private int _waitingWriters;

    /// <summary>True if it locks a directory.</summary>
    public bool IsDirectory => owner.IsDirectory;

    /// <summary>Enters shared.</summary>
    public void EnterRead()
    {
        LockOrder.EnteringInode(this);
        if (!TryRead())
        {
            Wait(write: false);
        }
        LockOrder.EnteredInode(this);
    }

    /// <summary>Leaves shared.</summary>
    public void ExitRead()
    {
        LockOrder.LeftInode(this);
        if (Interlocked.Decrement(ref _state) == 0)
        {
            Wake();
        }
    }

    /// <summary>Enters exclusive.</summary>
    public void EnterWrite()
    {
        LockOrder.EnteringInode(this);
        if (!TryWrite())
        {
            Wait(write: true);
        }
        LockOrder.EnteredInode(this);
    }

    private bool TryWrite() => Interlocked.CompareExchange(ref _state, Writer, 0) == 0;

    /// <summary>Leaves exclusive.</summary>
    public void ExitWrite()
    {
        LockOrder.LeftInode(this);
        Interlocked.Exchange(ref _state, 0);
        Wake();
    }

    /// <summary>True if somebody holds it exclusive; for assertions.</summary>
    public bool IsWriteHeld => Volatile.Read(ref _state) == Writer;

    private bool TryRead()
    {
        if (Volatile.Read(ref _waitingWriters) != 0)
        {
            return false;
        }
        return TryReadPastWriters();
    }

    private bool TryReadPastWriters()
    {
        int seen = Volatile.Read(ref _state);
        while (seen >= 0)
        {
            int now = Interlocked.CompareExchange(ref _state, seen + 1, seen);
            if (now == seen)
            {
                return true;
            }
            seen = now;
        }
        return false;
    }

    private void Wait(bool write)
    {
        var spin = default(SpinWait);
        while (!spin.NextSpinWillYield)
        {
            if (write ? TryWrite() : TryRead())
            {
                return;
            }
            spin.SpinOnce();
        }
        lock (this)
        {
            Interlocked.Increment(ref _waiting);
            if (write)
            {
                Interlocked.Increment(ref _waitingWriters);
            }
            while (!(write ? TryWrite() : TryRead()))
            {
                Monitor.Wait(this);
            }
            if (write)
            {
                Interlocked.Decrement(ref _waitingWriters);
            }
            Interlocked.Decrement(ref _waiting);
        }
    }

    private void Wake()
    {
        if (Volatile.Read(ref _waiting) != 0)
        {
            lock (this)
            {
                Monitor.PulseAll(this);
            }
        }
    }
}
