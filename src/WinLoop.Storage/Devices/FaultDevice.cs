namespace WinLoop.Storage;

/// <summary>What a <see cref="FaultRule"/> applies to.</summary>
[Flags]
public enum DeviceOperations
{
    /// <summary>Nothing.</summary>
    None = 0,
    /// <summary><see cref="IBlockDevice.Read"/>.</summary>
    Read = 1,
    /// <summary><see cref="IBlockDevice.Write"/>.</summary>
    Write = 2,
    /// <summary><see cref="IBlockDevice.Flush"/>.</summary>
    Flush = 4,
    /// <summary><see cref="IBlockDevice.Discard"/>.</summary>
    Discard = 8,
    /// <summary><see cref="IBlockDevice.WriteZeroes"/>.</summary>
    WriteZeroes = 16,
    /// <summary>Everything that changes the device.</summary>
    Changes = Write | Discard | WriteZeroes,
    /// <summary>All operations.</summary>
    All = Read | Write | Flush | Discard | WriteZeroes,
}

/// <summary>One operation, as a rule sees it.</summary>
public readonly record struct DeviceOperation(DeviceOperations Kind, long Offset, long Length, WriteTag Tag);

/// <summary>A fault and when it happens.</summary>
public sealed class FaultRule
{
    private long _matched;

    /// <summary>Which operations count.</summary>
    public DeviceOperations Operations { get; init; } = DeviceOperations.All;

    /// <summary>Of these, only the ones for which it is true.</summary>
    public Func<DeviceOperation, bool>? When { get; init; }

    /// <summary>The first operation that fails, counted from 1.</summary>
    public long First { get; init; } = 1;

    /// <summary>How many fail, from <see cref="First"/> on.</summary>
    public long Count { get; init; } = long.MaxValue;

    /// <summary>What the operation throws; null: it does not fail.</summary>
    public BlockDeviceError? Error { get; init; }

    /// <summary>A write that fails has written this many bytes, a read has filled as many.</summary>
    public int ShortBytes { get; init; }

    /// <summary>How long the operation takes longer.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>The operation says that it is done and has done nothing: a lying flush, a lost write.</summary>
    public bool Lies { get; init; }

    /// <summary>What a read returns is changed by this: (bytes, offset).</summary>
    public SpanAction? Corrupt { get; init; }

    /// <summary>Called with every operation that the fault befalls, before it does.</summary>
    public Action<DeviceOperation>? OnHit { get; init; }

    /// <summary>Off, it neither counts nor fails anything.</summary>
    public volatile bool IsEnabled = true;

    /// <summary>How many operations have counted so far.</summary>
    public long Matched => Interlocked.Read(ref _matched);

    /// <summary>How many faults there were.</summary>
    public long Hits => Math.Clamp(Matched - First + 1, 0, Count);

    internal bool Applies(in DeviceOperation operation)
    {
        if (!IsEnabled || (Operations & operation.Kind) == 0 || (When is not null && !When(operation)))
        {
            return false;
        }

        long number = Interlocked.Increment(ref _matched);
        return number >= First && number - First < Count;
    }

    /// <summary>Changes bytes that were read at an offset.</summary>
    public delegate void SpanAction(Span<byte> bytes, long offset);
}

/// <summary>A device that fails as it is told to, for tests.</summary>
public sealed class FaultDevice : IBlockDevice
{
    private readonly IBlockDevice _inner;
    private readonly bool _ownsInner;
    private FaultRule[] _rules = [];

    /// <summary>Makes a device without faults.</summary>
    public FaultDevice(IBlockDevice inner, bool ownsInner = false)
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

    /// <summary>Everything fails from now on, as when the stick is pulled; until it is false again.</summary>
    public bool IsGone
    {
        get => Volatile.Read(ref field);
        set => Volatile.Write(ref field, value);
    }

    /// <summary>Adds a rule; for each operation the first one that applies decides.</summary>
    public FaultRule Add(FaultRule rule)
    {
        ArgumentNullException.ThrowIfNull(rule);
        lock (_inner)
        {
            Volatile.Write(ref _rules, [.. _rules, rule]);
        }

        return rule;
    }

    /// <summary>The usual rule: the n-th operation of a kind fails, and with <paramref name="count"/> those after it.</summary>
    public FaultRule Fail(
        DeviceOperations operations, BlockDeviceError error = BlockDeviceError.Io, long first = 1, long count = long.MaxValue) =>
        Add(new FaultRule { Operations = operations, Error = error, First = first, Count = count });

    /// <summary>Removes all rules, and the device is there again.</summary>
    public void Clear()
    {
        Volatile.Write(ref _rules, []);
        IsGone = false;
    }

    /// <inheritdoc/>
    public void Read(Span<byte> buffer, long offset)
    {
        DeviceRange.Check(this, offset, buffer.Length);
        FaultRule? rule = Find(new DeviceOperation(DeviceOperations.Read, offset, buffer.Length, WriteTag.Data));
        if (rule?.Error is { } error)
        {
            _inner.Read(buffer[..Math.Min(rule.ShortBytes, buffer.Length)], offset);
            throw Failure(error, "read", offset);
        }

        if (rule?.Lies == true)
        {
            return;
        }

        _inner.Read(buffer, offset);
        rule?.Corrupt?.Invoke(buffer, offset);
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data)
    {
        DeviceRange.CheckWrite(this, offset, buffer.Length);
        FaultRule? rule = Find(new DeviceOperation(DeviceOperations.Write, offset, buffer.Length, tag));
        if (rule?.Error is { } error)
        {
            _inner.Write(buffer[..Math.Min(rule.ShortBytes, buffer.Length)], offset, tag);
            throw Failure(error, "write", offset);
        }

        if (rule?.Lies != true)
        {
            _inner.Write(buffer, offset, tag);
        }
    }

    /// <inheritdoc/>
    public void Flush()
    {
        FaultRule? rule = Find(new DeviceOperation(DeviceOperations.Flush, 0, 0, WriteTag.Data));
        if (rule?.Error is { } error)
        {
            throw Failure(error, "flush", 0);
        }

        if (rule?.Lies != true)
        {
            _inner.Flush();
        }
    }

    /// <inheritdoc/>
    public void Discard(long offset, long length)
    {
        DeviceRange.CheckWrite(this, offset, length);
        FaultRule? rule = Find(new DeviceOperation(DeviceOperations.Discard, offset, length, WriteTag.Data));
        if (rule?.Error is { } error)
        {
            throw Failure(error, "discard", offset);
        }

        if (rule?.Lies != true)
        {
            _inner.Discard(offset, length);
        }
    }

    /// <inheritdoc/>
    public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data)
    {
        DeviceRange.CheckWrite(this, offset, length);
        FaultRule? rule = Find(new DeviceOperation(DeviceOperations.WriteZeroes, offset, length, tag));
        if (rule?.Error is { } error)
        {
            _inner.WriteZeroes(offset, Math.Min(rule.ShortBytes, length), tag);
            throw Failure(error, "write-zeroes", offset);
        }

        if (rule?.Lies != true)
        {
            _inner.WriteZeroes(offset, length, tag);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_ownsInner)
        {
            _inner.Dispose();
        }
    }

    private FaultRule? Find(in DeviceOperation operation)
    {
        if (IsGone)
        {
            throw new BlockDeviceException(BlockDeviceError.Gone, "injected: the device is gone");
        }

        foreach (FaultRule rule in Volatile.Read(ref _rules))
        {
            if (rule.Applies(operation))
            {
                rule.OnHit?.Invoke(operation);
                if (rule.Delay > TimeSpan.Zero)
                {
                    Thread.Sleep(rule.Delay);
                }

                if (rule.Error == BlockDeviceError.Gone)
                {
                    IsGone = true;
                }

                return rule;
            }
        }

        return null;
    }

    private static BlockDeviceException Failure(BlockDeviceError error, string operation, long offset) =>
        new(error, $"injected: {operation} at {offset} failed ({error})");
}
