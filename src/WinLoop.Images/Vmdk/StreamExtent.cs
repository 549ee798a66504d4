using System.Buffers.Binary;
using System.IO.Compression;
using System.Numerics;
using WinLoop.Storage;

namespace WinLoop.Images.Vmdk;

/// <summary>A stream-optimized extent: each grain is compressed, behind a marker of its first sector and its size. It is only
/// read. Unlike the other extents it takes memory and a lock for a read: a grain is unpacked as a whole and kept for the
/// next read.</summary>
internal sealed class StreamExtent : VmdkExtent
{
    private const int MarkerSize = 12;
    // Powers of two. Neighbours never share a slot.
    private const int MaxSlots = 16;
    private const int MaxMemory = 8 << 20;

    private readonly IGrowableDevice _file;
    private readonly GrainTables _tables;
    private readonly Slot[] _slots;
    private readonly int _grainShift;

    private StreamExtent(IGrowableDevice file, SparseHeader header, GrainTables tables, long length)
        : base(length)
    {
        _file = file;
        _tables = tables;
        _grainShift = BitOperations.Log2((uint)header.GrainSize) + 9;
        _slots = new Slot[Math.Min(MaxSlots, MaxMemory >> _grainShift)];
        for (int i = 0; i < _slots.Length; i++)
        {
            _slots[i] = new Slot();
        }
    }

    /// <inheritdoc/>
    public override string? ReadOnlyReason => "it is stream-optimized (compressed), a form for transport";

    private int GrainSize => 1 << _grainShift;

    /// <summary>Reads the tables. Where a compressed grain ends is known when it is read.</summary>
    public static StreamExtent Open(IGrowableDevice file, SparseHeader header, long length)
    {
        GrainTables tables = GrainTables.Read(file, header, isForWriting: false);
        GrainLayoutCheck.FindEnd(file, header, tables);
        return new StreamExtent(file, header, tables, length);
    }

    /// <inheritdoc/>
    public override void Read(Span<byte> buffer, long offset)
    {
        while (!buffer.IsEmpty)
        {
            int inside = (int)(offset & (GrainSize - 1)), part = Math.Min(GrainSize - inside, buffer.Length);
            long grain = offset >> _grainShift;
            uint sector = _tables[grain];
            if (sector <= GrainTables.Zeroed)
            {
                buffer[..part].Clear();
            }
            else
            {
                Slot slot = _slots[grain & (_slots.Length - 1)];
                lock (slot)
                {
                    if (slot.Grain != grain)
                    {
                        Unpack(slot, grain, sector);
                    }

                    slot.Content.AsSpan(inside, part).CopyTo(buffer);
                }
            }

            buffer = buffer[part..];
            offset += part;
        }
    }

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag) => throw ReadOnly();

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override void Discard(long offset, long length) => throw ReadOnly();

    /// <inheritdoc/>
    public override void WriteZeroes(long offset, long length, WriteTag tag) => throw ReadOnly();

    /// <inheritdoc/>
    public override void Prefetch(long offset, long length)
    {
        for (long grain = offset >> _grainShift; length > 0 && grain <= (offset + length - 1) >> _grainShift; grain++)
        {
            if (_tables[grain] is var sector && sector > GrainTables.Zeroed)
            {
                long at = sector * 512L;
                _file.Prefetch(at, Math.Min(GrainSize, _file.Length - at));
            }
        }
    }

    /// <inheritdoc/>
    public override void Forget(long offset, long length)
    {
        for (long grain = offset >> _grainShift; length > 0 && grain <= (offset + length - 1) >> _grainShift; grain++)
        {
            if (_tables[grain] is var sector && sector > GrainTables.Zeroed)
            {
                Slot slot = _slots[grain & (_slots.Length - 1)];
                lock (slot)
                {
                    slot.Grain = slot.Grain == grain ? -1 : slot.Grain;
                }

                long at = sector * 512L;
                _file.Forget(at, Math.Min(GrainSize, _file.Length - at));
            }
        }
    }

    /// <inheritdoc/>
    public override long ZeroRun(long offset, long length) => _tables.ZeroRun(offset, length, _grainShift);

    /// <inheritdoc/>
    public override void Dispose() => _file.Dispose();

    private static BlockDeviceException ReadOnly() => new(BlockDeviceError.ReadOnly, "a stream-optimized VMDK is read-only");

    private static BlockDeviceException Damaged(long grain, string why, Exception? inner = null) =>
        new(BlockDeviceError.Io, $"VMDK: compressed grain {grain} is damaged: {why}", inner);

    private void Unpack(Slot slot, long grain, uint sector)
    {
        slot.Grain = -1;
        long at = sector * 512L, left = _file.Length - at;
        Span<byte> marker = stackalloc byte[MarkerSize];
        if (left < MarkerSize)
        {
            throw Damaged(grain, "the file ends in it");
        }

        _file.Read(marker, at);
        ulong first = BinaryPrimitives.ReadUInt64LittleEndian(marker);
        uint size = BinaryPrimitives.ReadUInt32LittleEndian(marker[sizeof(ulong)..]);
        if (first != (ulong)grain << (_grainShift - 9))
        {
            throw Damaged(grain, $"its marker says sector {first}");
        }

        // What cannot be compressed gets a little longer.
        if (size == 0 || size > 2L * GrainSize || size > left - MarkerSize)
        {
            throw Damaged(grain, $"its marker says {size} bytes");
        }

        if (slot.Packed.Length < size)
        {
            slot.Packed = new byte[BitOperations.RoundUpToPowerOf2(size)];
        }

        if (slot.Content.Length == 0)
        {
            slot.Content = new byte[GrainSize];
        }

        _file.Read(slot.Packed.AsSpan(0, (int)size), at + MarkerSize);
        int length = Inflate(slot, (int)size, grain);

        // The last grain of the disk may be short.
        if (length < Math.Min(GrainSize, Length - (grain << _grainShift)))
        {
            throw Damaged(grain, $"it has {length} bytes");
        }

        slot.Content.AsSpan(length).Clear();
        slot.Grain = grain;
    }

    private static int Inflate(Slot slot, int size, long grain)
    {
        try
        {
            using var packed = new MemoryStream(slot.Packed, 0, size, writable: false);
            using var stream = new ZLibStream(packed, CompressionMode.Decompress);
            int length = stream.ReadAtLeast(slot.Content, slot.Content.Length, throwOnEndOfStream: false);
            return length < slot.Content.Length || stream.ReadByte() < 0 ? length : throw Damaged(grain, "it is longer than a grain");
        }
        catch (Exception e) when (e is InvalidDataException or (IOException and not BlockDeviceException))
        {
            throw Damaged(grain, e.Message, e);
        }
    }

    private sealed class Slot
    {
        public long Grain { get; set; } = -1;

        public byte[] Content { get; set; } = [];

        public byte[] Packed { get; set; } = [];
    }
}
