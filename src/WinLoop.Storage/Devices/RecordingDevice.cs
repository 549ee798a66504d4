namespace WinLoop.Storage;

/// <summary>
/// A device that remembers every write, zeroing, discard and flush, and can rebuild what a power cut at any
/// moment could have left behind. For crash tests; it keeps all bytes in memory.
/// </summary>
public sealed class RecordingDevice : IBlockDevice
{
    private readonly IBlockDevice _inner;
    private readonly bool _ownsInner;
    private readonly object _gate = new();
    private readonly List<RecordedOperation> _log = [];
    private long _clock;
    private volatile bool _isRecording = true;

    /// <summary>Records what goes to a device.</summary>
    public RecordingDevice(IBlockDevice inner, bool ownsInner = false)
    {
        ArgumentNullException.ThrowIfNull(inner);
        _inner = inner;
        _ownsInner = ownsInner;
    }

    /// <inheritdoc/>
    public long Length => _inner.Length;

    /// <inheritdoc/>
    public bool IsReadOnly => _inner.IsReadOnly;

    /// <inheritdoc/>
    public int SectorSize => _inner.SectorSize;

    /// <summary>Off, operations only pass through.</summary>
    public bool IsRecording
    {
        get => _isRecording;
        set => _isRecording = value;
    }

    /// <summary>How many entries there are.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _log.Count;
            }
        }
    }

    /// <summary>A copy of the log, in the order in which the operations were begun.</summary>
    public RecordedOperation[] GetLog()
    {
        lock (_gate)
        {
            return [.. _log];
        }
    }

    /// <summary>Writes a word of the workload into the log: what it is about to do, or what has returned.</summary>
    public RecordedOperation Mark(string text) => Begin(RecordedKind.Mark, 0, 0, default, WriteTag.Data, text)!;

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        lock (_gate)
        {
            _log.Clear();
        }
    }

    /// <inheritdoc/>
    public void Read(Span<byte> buffer, long offset) => _inner.Read(buffer, offset);

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data)
    {
        DeviceRange.CheckWrite(this, offset, buffer.Length);
        RecordedOperation? entry = _isRecording
            ? Begin(RecordedKind.Write, offset, buffer.Length, buffer.ToArray(), tag)
            : null;
        _inner.Write(buffer, offset, tag);
        End(entry);
    }

    /// <inheritdoc/>
    public void Flush()
    {
        RecordedOperation? entry = _isRecording ? Begin(RecordedKind.Flush, 0, 0, default, WriteTag.Data) : null;
        _inner.Flush();
        End(entry);
    }

    /// <inheritdoc/>
    public void Discard(long offset, long length)
    {
        DeviceRange.CheckWrite(this, offset, length);
        RecordedOperation? entry = _isRecording ? Begin(RecordedKind.Discard, offset, length, default, WriteTag.Data) : null;
        _inner.Discard(offset, length);
        End(entry);
    }

    /// <inheritdoc/>
    public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data)
    {
        DeviceRange.CheckWrite(this, offset, length);
        RecordedOperation? entry = _isRecording ? Begin(RecordedKind.WriteZeroes, offset, length, default, tag) : null;
        _inner.WriteZeroes(offset, length, tag);
        End(entry);
    }

    /// <summary>The image after the first <paramref name="count"/> entries of the log, nothing reordered or lost.</summary>
    /// <param name="baseImage">The device as it was before the recording; it is only read.</param>
    /// <param name="count">How many entries.</param>
    public OverlayDevice Replay(IBlockDevice baseImage, int count) => Replay(baseImage, GetLog().Take(count));

    /// <summary>The image after some operations, in the given order.</summary>
    public static OverlayDevice Replay(IBlockDevice baseImage, IEnumerable<RecordedOperation> operations)
    {
        ArgumentNullException.ThrowIfNull(operations);
        var image = new OverlayDevice(baseImage);
        foreach (RecordedOperation operation in operations)
        {
            operation.ApplyTo(image);
        }

        return image;
    }

    /// <summary>
    /// What a power cut finds after the first <paramref name="count"/> entries of the log.
    /// </summary>
    /// <param name="log">From <see cref="GetLog"/>.</param>
    /// <param name="count">The cut.</param>
    /// <returns><c>Durable</c>: changes that a flush has made certain, that is, which had returned before the
    /// flush was begun, and the flush returned before the cut. <c>Pending</c>: the other changes, of which any
    /// subset may have reached the disk.</returns>
    public static (List<RecordedOperation> Durable, List<RecordedOperation> Pending) Cut(
        IReadOnlyList<RecordedOperation> log, int count)
    {
        ArgumentNullException.ThrowIfNull(log);
        long now = count < log.Count ? log[count].Sequence : long.MaxValue;
        long barrier = -1;
        for (int i = 0; i < count; i++)
        {
            if (log[i].Kind == RecordedKind.Flush && log[i].Completed < now)
            {
                barrier = Math.Max(barrier, log[i].Sequence);
            }
        }

        var durable = new List<RecordedOperation>();
        var pending = new List<RecordedOperation>();
        for (int i = 0; i < count; i++)
        {
            if (log[i].IsChange)
            {
                (log[i].Completed < barrier ? durable : pending).Add(log[i]);
            }
        }

        return (durable, pending);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_ownsInner)
        {
            _inner.Dispose();
        }
    }

    private RecordedOperation Begin(
        RecordedKind kind, long offset, long length, ReadOnlyMemory<byte> data, WriteTag tag, string? text = null)
    {
        lock (_gate)
        {
            var entry = new RecordedOperation
            {
                Kind = kind,
                Sequence = _clock++,
                Offset = offset,
                Length = length,
                Data = data,
                Tag = tag,
                ThreadId = Environment.CurrentManagedThreadId,
                Text = text,
            };
            _log.Add(entry);
            return entry;
        }
    }

    private void End(RecordedOperation? entry)
    {
        if (entry is not null)
        {
            lock (_gate)
            {
                entry.Completed = _clock++;
            }
        }
    }
}
