using WinLoop.Ext4.Format;
using WinLoop.Storage;

namespace WinLoop.Ext4.Suspend;

/// <summary>
/// The volume's device, with a memory of the two blocks that everybody changes who changes a volume: the superblock
/// and the journal's. When the machine has slept (or the host says so) the next access compares them with the device;
/// if somebody else has written, nothing goes through any more.
/// </summary>
/// <remarks>What is compared are all 1,024 bytes of each, so UUID, write and mount time, mount count, counts, marks
/// and the journal's sequence are in it.</remarks>
internal sealed class ImageWitness : IGrowableDevice
{
    private const int SuperblockEnd = Superblock.Offset + Superblock.Size;

    private readonly IBlockDevice _inner;
    private readonly SleepClock _clock;
    private readonly object _gate = new();
    private readonly byte[] _superblock = new byte[Superblock.Size];
    private readonly byte[] _journal = new byte[JournalSuperblock.Size];
    private bool _knowsSuperblock;
    private bool _knowsJournal;
    private long _journalAt = -1;
    private bool _isInDoubt;
    private volatile bool _hasUnflushed;
    private volatile string? _change;

    /// <param name="inner">The device; disposed with this one.</param>
    /// <param name="clock">Tells of sleep.</param>
    public ImageWitness(IBlockDevice inner, SleepClock clock) => (_inner, _clock) = (inner, clock);

    /// <summary>Called once, when somebody else's change is found; the reason is a sentence.</summary>
    public Action<BlockDeviceException>? OnChanged { get; set; }

    /// <summary>True if something was written since the last flush.</summary>
    public bool HasUnflushed => _hasUnflushed;

    /// <inheritdoc/>
    public long Length => _inner.Length;

    /// <inheritdoc/>
    public bool IsReadOnly => _inner.IsReadOnly;

    /// <inheritdoc/>
    public int SectorSize => _inner.SectorSize;

    /// <inheritdoc/>
    public bool CanResize => _inner is IGrowableDevice { CanResize: true };

    /// <summary>Begins to remember, with what is there now.</summary>
    /// <param name="journalAt">Where the journal superblock is, in bytes; −1 if it is not known.</param>
    public void Start(long journalAt)
    {
        lock (_gate)
        {
            _inner.Read(_superblock, Superblock.Offset);
            _knowsSuperblock = true;
            if (journalAt >= 0)
            {
                _inner.Read(_journal, journalAt);
                _journalAt = journalAt;
                _knowsJournal = true;
            }
        }
    }

    /// <summary>The next access compares first.</summary>
    public void Doubt() => Volatile.Write(ref _isInDoubt, true);

    /// <summary>Compares now if there is doubt.</summary>
    /// <exception cref="BlockDeviceException">Somebody else has changed the image, or the device cannot be read; in the
    /// second case the doubt stays.</exception>
    public void Verify() => BeforeAccess(BlockDeviceError.Io);

    /// <inheritdoc/>
    public void Read(Span<byte> buffer, long offset)
    {
        BeforeAccess(BlockDeviceError.Io);
        _inner.Read(buffer, offset);
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data)
    {
        BeforeAccess(BlockDeviceError.ReadOnly);
        _hasUnflushed = true;
        if (offset < SuperblockEnd || (offset < _journalAt + JournalSuperblock.Size && _journalAt < offset + buffer.Length))
        {
            WriteRemembered(buffer, offset, tag);
            return;
        }
        _inner.Write(buffer, offset, tag);
    }

    /// <inheritdoc/>
    public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data)
    {
        BeforeAccess(BlockDeviceError.ReadOnly);
        _hasUnflushed = true;
        _inner.WriteZeroes(offset, length, tag);
    }

    /// <inheritdoc/>
    public void Flush()
    {
        BeforeAccess(BlockDeviceError.Io);
        _hasUnflushed = false;
        _inner.Flush();
    }

    /// <inheritdoc/>
    public void Discard(long offset, long length)
    {
        BeforeAccess(BlockDeviceError.ReadOnly);
        _inner.Discard(offset, length);
    }

    /// <inheritdoc/>
    public void SetLength(long length)
    {
        BeforeAccess(BlockDeviceError.ReadOnly);
        if (_inner is not IGrowableDevice growable)
        {
            throw new BlockDeviceException(BlockDeviceError.OutOfRange, "the size of the device is fixed");
        }
        _hasUnflushed = true;
        growable.SetLength(length);
    }

    /// <inheritdoc/>
    public void Prefetch(long offset, long length) => _inner.Prefetch(offset, length);

    /// <inheritdoc/>
    public void Forget(long offset, long length) => _inner.Forget(offset, length);

    /// <inheritdoc/>
    public void Abandon() => _inner.Abandon();

    /// <inheritdoc/>
    public void Dispose() => _inner.Dispose();

    private void BeforeAccess(BlockDeviceError error)
    {
        _clock.Look(ref _isInDoubt);
        if (Volatile.Read(ref _isInDoubt))
        {
            Compare();
        }
        if (_change is { } change)
        {
            throw new BlockDeviceException(error, change);
        }
    }

    private void Compare()
    {
        string? change;
        lock (_gate)
        {
            if (!Volatile.Read(ref _isInDoubt) || _change is not null)
            {
                return;
            }
            change = FindChange();
            _change = change;
            if (change is not null)
            {
                _inner.Abandon();
            }
            Volatile.Write(ref _isInDoubt, false);
        }
        if (change is not null)
        {
            OnChanged?.Invoke(new BlockDeviceException(BlockDeviceError.ReadOnly, change));
        }
    }

    private string? FindChange()
    {
        Span<byte> now = stackalloc byte[Superblock.Size];
        if (_knowsSuperblock)
        {
            ReadFromMedium(now, Superblock.Offset);
            if (!now.SequenceEqual(_superblock))
            {
                return Describe(new Superblock(_superblock), new Superblock(now));
            }
        }
        if (_knowsJournal)
        {
            ReadFromMedium(now, _journalAt);
            if (!now.SequenceEqual(_journal))
            {
                return $"somebody else has written to the journal while the machine slept (sequence {new JournalSuperblock(_journal).Sequence}, " +
                    $"now {new JournalSuperblock(now).Sequence}); unmount, and mount again";
            }
        }
        return null;
    }

    // The host's page cache slept with the machine and would answer for a medium that it has not asked since.
    private void ReadFromMedium(Span<byte> buffer, long offset)
    {
        _inner.Forget(offset, buffer.Length);
        _inner.Read(buffer, offset);
    }

    private static string Describe(Superblock ours, Superblock now)
    {
        if (now.Magic != Superblock.MagicValue || !now.Uuid.SequenceEqual(ours.Uuid))
        {
            return "another volume is in the place of this one since the machine slept; unmount, and mount again";
        }
        string what = now.MountCount != ours.MountCount || now.MountTime != ours.MountTime
            ? $"mounted at {Time(now.MountTime)}"
            : $"written at {Time(now.WriteTime)}";
        return $"the volume was changed by somebody else while the machine slept ({what}); unmount, and mount again";
    }

    private static string Time(long seconds) =>
        DateTimeOffset.FromUnixTimeSeconds(Math.Clamp(seconds, 0, uint.MaxValue)).ToString("u", System.Globalization.CultureInfo.InvariantCulture);

    // Under the gate, so that a comparison finds the write done and remembered, or neither.
    private void WriteRemembered(ReadOnlySpan<byte> buffer, long offset, WriteTag tag)
    {
        lock (_gate)
        {
            if (_change is { } change)
            {
                throw new BlockDeviceException(BlockDeviceError.ReadOnly, change);
            }
            bool touchesSuperblock = Overlap(buffer.Length, offset, Superblock.Offset);
            bool touchesJournal = _journalAt >= 0 && Overlap(buffer.Length, offset, _journalAt);
            try
            {
                _inner.Write(buffer, offset, tag);
            }
            catch
            {
                // Written or not, or half: there is nothing to compare with any more.
                _knowsSuperblock &= !touchesSuperblock;
                _knowsJournal &= !touchesJournal;
                throw;
            }
            if (touchesSuperblock)
            {
                Remember(buffer, offset, _superblock, Superblock.Offset);
            }
            if (touchesJournal)
            {
                Remember(buffer, offset, _journal, _journalAt);
            }
        }
    }

    private static bool Overlap(int length, long offset, long place) => offset < place + Superblock.Size && place < offset + length;

    private static void Remember(ReadOnlySpan<byte> buffer, long offset, Span<byte> copy, long place)
    {
        long from = Math.Max(offset, place), to = Math.Min(offset + buffer.Length, place + copy.Length);
        buffer[(int)(from - offset)..(int)(to - offset)].CopyTo(copy[(int)(from - place)..]);
    }
}
