using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Mounting.Windows;

/// <summary>Builds a list in a buffer.</summary>
internal ref struct EaListWriter(Span<byte> buffer)
{
    private readonly Span<byte> _buffer = buffer;
    private int _last = -1;

    /// <summary>Bytes of the list so far.</summary>
    public int Length { get; private set; }

    /// <summary>Bytes that NTFS would count for it.</summary>
    public uint PackedSize { get; private set; }

    /// <summary>True if an entry had no room; the list holds those before it.</summary>
    public bool IsOverflown { get; private set; }

    /// <summary>Adds an entry.</summary>
    /// <returns>False if there is no room (<see cref="IsOverflown"/>), or if name or value are longer than an entry
    /// can say.</returns>
    public bool TryAdd(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value)
    {
        if (name.Length > byte.MaxValue || value.Length > EaList.MaxValueLength)
        {
            return false;
        }
        int start = (Length + 3) & ~3;
        int length = EaList.HeaderLength + name.Length + 1 + value.Length;
        if (IsOverflown || length > _buffer.Length - start)
        {
            IsOverflown = true;
            return false;
        }
        _buffer[Length..start].Clear();
        if (_last >= 0)
        {
            WriteUInt32LittleEndian(_buffer[_last..], (uint)(start - _last));
        }
        Span<byte> entry = _buffer.Slice(start, length);
        WriteUInt32LittleEndian(entry, 0);
        entry[EaList.FlagsAt] = 0;
        entry[EaList.NameLengthAt] = (byte)name.Length;
        WriteUInt16LittleEndian(entry[EaList.ValueLengthAt..], (ushort)value.Length);
        name.CopyTo(entry[EaList.HeaderLength..]);
        entry[EaList.HeaderLength + name.Length] = 0;
        value.CopyTo(entry[(EaList.HeaderLength + name.Length + 1)..]);
        _last = start;
        Length = start + length;
        PackedSize += EaList.PackedSize(name.Length, value.Length);
        return true;
    }
}
