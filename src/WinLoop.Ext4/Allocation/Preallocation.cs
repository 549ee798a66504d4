namespace WinLoop.Ext4.Allocation;

/// <summary>
/// Blocks set aside in memory for one file's growth: used in the allocator's view, free on disk. Guarded by
/// the lock of <see cref="Group"/>; only the holder of the inode's lock moves it to another group.
/// </summary>
internal sealed class Preallocation
{
    /// <summary>The logical block that <see cref="Physical"/> is meant for: the one behind the file's last allocation.</summary>
    public uint Logical;
    /// <summary>First block set aside.</summary>
    public ulong Physical;
    /// <summary>Blocks set aside.</summary>
    public uint Length;

    /// <summary>The group that the blocks are in; no window crosses groups.</summary>
    public uint Group;
    /// <summary>Blocks allocated one behind the other up to <see cref="Logical"/>.</summary>
    public uint Streak;

    private Preallocation? _next, _previous;

    /// <summary>Adds the window to its group's list.</summary>
    public void LinkInto(GroupBitmap bitmap)
    {
        _previous = null;
        _next = bitmap.FirstWindow;
        if (_next is not null)
        {
            _next._previous = this;
        }
        bitmap.FirstWindow = this;
    }

    /// <summary>Takes the window out of its group's list.</summary>
    public void UnlinkFrom(GroupBitmap bitmap)
    {
        if (_previous is not null)
        {
            _previous._next = _next;
        }
        else
        {
            bitmap.FirstWindow = _next;
        }
        if (_next is not null)
        {
            _next._previous = _previous;
        }
        _next = _previous = null;
    }
}

/// <summary>Blocks taken in memory for a write that has not been journaled yet.</summary>
/// <param name="Physical">First block.</param>
/// <param name="Length">Blocks; 0 = none.</param>
internal readonly record struct BlockReservation(ulong Physical, uint Length);
