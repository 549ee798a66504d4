using WinLoop.Storage;

namespace WinLoop.CrashTests;

/// <summary>A way in which a device fails.</summary>
/// <param name="Name">In words.</param>
/// <param name="Operations">What fails: the n-th of these.</param>
/// <param name="Lasts">All that follow fail too.</param>
internal sealed record FaultKind(string Name, DeviceOperations Operations, bool Lasts)
{
    private const int HalfTransfer = 512;

    /// <summary>The error of the device; null if it reports none.</summary>
    public BlockDeviceError? Error { get; private init; }

    /// <summary>So much of a transfer is done before it fails.</summary>
    public int ShortBytes { get; private init; }

    /// <summary>It says that it is done and has done nothing.</summary>
    public bool Lies { get; private init; }

    /// <summary>It takes longer, and that is all.</summary>
    public TimeSpan Delay { get; private init; }

    /// <summary>What a read gives instead; <see cref="WrongBytes.None"/> for what was written.</summary>
    public WrongBytes Wrong { get; private init; }

    /// <summary>A device that was gone is there again, as it was, so many operations of the workload later.</summary>
    public int ComesBackAfter { get; private init; }

    /// <summary>The program that reads gets other bytes than were written, without an error.</summary>
    public bool IsWrongBytes => Wrong != WrongBytes.None;

    /// <summary>The device works: nothing that was asked of it may fail.</summary>
    public bool IsHarmless => Delay > TimeSpan.Zero;

    /// <summary>Reads of a volume that stopped writing succeed.</summary>
    public bool LeavesReads => (Operations & DeviceOperations.Read) == 0 || (!Lasts && Error != BlockDeviceError.Gone);

    /// <summary>All kinds whose device does not lie about flushes.</summary>
    public static IEnumerable<FaultKind> Honest()
    {
        foreach (bool lasts in (bool[])[false, true])
        {
            string when = lasts ? " from then on" : "";
            yield return new("a read fails" + when, DeviceOperations.Read, lasts) { Error = BlockDeviceError.Io };
            yield return new("a read is short" + when, DeviceOperations.Read, lasts) { Error = BlockDeviceError.Io, ShortBytes = HalfTransfer };
            yield return new("a read has a wrong bit" + when, DeviceOperations.Read, lasts) { Wrong = WrongBytes.Bit };
            yield return new("a read has another wrong bit" + when, DeviceOperations.Read, lasts) { Wrong = WrongBytes.OtherBit };
            yield return new("a read gives zeroes" + when, DeviceOperations.Read, lasts) { Wrong = WrongBytes.Zeroes };
            yield return new("a write fails" + when, DeviceOperations.Changes, lasts) { Error = BlockDeviceError.Io };
            yield return new("a write finds no space" + when, DeviceOperations.Changes, lasts) { Error = BlockDeviceError.NoSpace };
            yield return new("a write is short" + when, DeviceOperations.Changes, lasts) { Error = BlockDeviceError.Io, ShortBytes = HalfTransfer };
            yield return new("a flush fails" + when, DeviceOperations.Flush, lasts) { Error = BlockDeviceError.Io };
            yield return new("a flush finds no space" + when, DeviceOperations.Flush, lasts) { Error = BlockDeviceError.NoSpace };
        }
        yield return new("the device is gone", DeviceOperations.All, true) { Error = BlockDeviceError.Gone };
        yield return new("the device is gone and comes back", DeviceOperations.All, false) { Error = BlockDeviceError.Gone, ComesBackAfter = 2 };
        yield return new("an operation is late", DeviceOperations.All, false) { Delay = TimeSpan.FromMilliseconds(1) };
    }

    /// <summary>A flush that says that it is done and is not.</summary>
    public static IEnumerable<FaultKind> Lying() =>
    [
        new("a flush lies", DeviceOperations.Flush, false) { Lies = true },
        new("a flush lies from then on", DeviceOperations.Flush, true) { Lies = true },
    ];

    /// <summary>The rule for the n-th operation.</summary>
    public FaultRule ToRule(long first, Action<DeviceOperation> onHit) => new()
    {
        Operations = Operations,
        First = first,
        Count = Lasts ? long.MaxValue : 1,
        Error = Error,
        ShortBytes = ShortBytes,
        Lies = Lies,
        Delay = Delay,
        Corrupt = Wrong == WrongBytes.None ? null : (bytes, offset) => Spoil(bytes, offset, first),
        OnHit = onHit,
    };

    public override string ToString() => Name;

    // Which bit follows from the place and the number, so that a run can be repeated.
    private void Spoil(Span<byte> bytes, long offset, long number)
    {
        if (Wrong == WrongBytes.Zeroes)
        {
            bytes.Clear();
            return;
        }
        ulong place = unchecked((ulong)(offset + (number * 31) + (long)Wrong) * 0x9E3779B97F4A7C15) >> 20;
        bytes[(int)(place % (ulong)bytes.Length)] ^= (byte)(1 << (int)(place >> 24 & 7));
    }
}

/// <summary>What a read gives instead of what was written, without an error.</summary>
internal enum WrongBytes
{
    /// <summary>It is right.</summary>
    None,
    /// <summary>One bit is wrong.</summary>
    Bit,
    /// <summary>A different one, for a second try.</summary>
    OtherBit,
    /// <summary>Nothing but zeroes.</summary>
    Zeroes,
}
