namespace WinLoop.Storage;

/// <summary>What a <see cref="RecordingDevice"/> has seen.</summary>
public enum RecordedKind : byte
{
    /// <summary>A write, with its bytes.</summary>
    Write,
    /// <summary>Zeroes over a range.</summary>
    WriteZeroes,
    /// <summary>A range given up.</summary>
    Discard,
    /// <summary>A barrier.</summary>
    Flush,
    /// <summary>A word of the workload.</summary>
    Mark,
}

/// <summary>One entry of a <see cref="RecordingDevice"/>'s log.</summary>
public sealed class RecordedOperation
{
    private long _completed = long.MaxValue;

    /// <summary>What it is.</summary>
    public required RecordedKind Kind { get; init; }

    /// <summary>Place in the log, and the moment when it was begun. Ends and beginnings share one counter, so
    /// a later entry's number is larger but not by one.</summary>
    public required long Sequence { get; init; }

    /// <summary>The moment when it had returned; <see cref="long.MaxValue"/> if it has not, or failed.</summary>
    public long Completed
    {
        get => Interlocked.Read(ref _completed);
        internal set => Interlocked.Exchange(ref _completed, value);
    }

    /// <summary>First byte on the device.</summary>
    public long Offset { get; init; }

    /// <summary>How many bytes.</summary>
    public long Length { get; init; }

    /// <summary>The bytes of a write.</summary>
    public ReadOnlyMemory<byte> Data { get; init; }

    /// <summary>What the writer said it is.</summary>
    public WriteTag Tag { get; init; }

    /// <summary>The thread that did it.</summary>
    public int ThreadId { get; init; }

    /// <summary>The text of a mark.</summary>
    public string? Text { get; init; }

    /// <summary>True for what changes the device: what a power cut can lose.</summary>
    public bool IsChange => Kind is RecordedKind.Write or RecordedKind.WriteZeroes or RecordedKind.Discard;

    /// <summary>A part of this write or zeroing, as a torn transfer leaves it.</summary>
    public RecordedOperation Part(long start, long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length - start);
        return new RecordedOperation
        {
            Kind = Kind,
            Sequence = Sequence,
            Completed = Completed,
            Offset = Offset + start,
            Length = length,
            Data = Kind == RecordedKind.Write ? Data.Slice((int)start, (int)length) : default,
            Tag = Tag,
            ThreadId = ThreadId,
            Text = Text,
        };
    }

    /// <summary>Does it to a device.</summary>
    public void ApplyTo(IBlockDevice device)
    {
        switch (Kind)
        {
            case RecordedKind.Write:
                device.Write(Data.Span, Offset, Tag);
                break;
            case RecordedKind.WriteZeroes or RecordedKind.Discard:
                device.WriteZeroes(Offset, Length, Tag);
                break;
        }
    }

    /// <inheritdoc/>
    public override string ToString() => Kind switch
    {
        RecordedKind.Mark => $"#{Sequence} mark {Text}",
        RecordedKind.Flush => $"#{Sequence} flush",
        _ => $"#{Sequence} {Kind} {Tag} {Offset}+{Length}",
    };
}
