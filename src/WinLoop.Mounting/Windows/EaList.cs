using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Mounting.Windows;

/// <summary>
/// Lists of FILE_FULL_EA_INFORMATION: u32 distance to the next entry (0 in the last), u8 flags, u8 length of the name,
/// u16 length of the value, name, zero, value. Entries begin at multiples of 4.
/// </summary>
internal static class EaList
{
    internal const int HeaderLength = 8;
    internal const int NameLengthAt = 5, ValueLengthAt = 6, FlagsAt = 4;

    /// <summary>FILE_NEED_EA, the only flag there is.</summary>
    public const byte NeedEa = 0x80;

    /// <summary>Bytes of the longest value.</summary>
    public const int MaxValueLength = ushort.MaxValue;

    /// <summary>What NTFS counts for one entry in FILE_EA_INFORMATION and FileInfo.EaSize.</summary>
    public static uint PackedSize(int nameLength, int valueLength) => 5u + (uint)nameLength + (uint)valueLength;

    /// <summary>Checks a whole list, so that nothing is set if the last entry is bad.</summary>
    /// <param name="list">Not trusted. Empty is a list without entries.</param>
    /// <param name="offset">Where the bad entry begins.</param>
    /// <returns>EaListInconsistent: an entry does not fit; InvalidEaName: a name or flag that no EA can have.</returns>
    public static NtStatus Check(ReadOnlySpan<byte> list, out int offset)
    {
        var entries = new EaEnumerator(list);
        while (entries.MoveNext())
        {
            if (!EaName.IsValid(entries.Name) || (entries.Flags & ~NeedEa) != 0)
            {
                offset = entries.Start;
                return NtStatus.InvalidEaName;
            }
        }
        offset = entries.Start;
        return entries.IsConsistent ? NtStatus.Success : NtStatus.EaListInconsistent;
    }

    /// <summary>The entries of a list in order.</summary>
    public static EaEnumerator Entries(ReadOnlySpan<byte> list) => new(list);
}

/// <summary>Goes through a list; ends at its end or at the first entry that does not fit.</summary>
internal ref struct EaEnumerator
{
    private readonly ReadOnlySpan<byte> _list;
    private int _next;

    internal EaEnumerator(ReadOnlySpan<byte> list)
    {
        _list = list;
        _next = list.IsEmpty ? -1 : 0;
        IsConsistent = true;
    }

    /// <summary>Offset of the current entry, or of the one that does not fit.</summary>
    public int Start { get; private set; }

    /// <summary>FILE_NEED_EA.</summary>
    public byte Flags { get; private set; }

    /// <summary>Name of the current entry, without the zero.</summary>
    public ReadOnlySpan<byte> Name { get; private set; }

    /// <summary>Value of the current entry; empty = delete.</summary>
    public ReadOnlySpan<byte> Value { get; private set; }

    /// <summary>False once an entry did not fit.</summary>
    public bool IsConsistent { get; private set; }

    /// <summary>For foreach-like loops; the current entry is in the enumerator itself.</summary>
    public bool MoveNext()
    {
        if (_next < 0)
        {
            return false;
        }
        Start = _next;
        _next = -1;
        ReadOnlySpan<byte> entry = _list[Start..];
        if (entry.Length < EaList.HeaderLength)
        {
            IsConsistent = false;
            return false;
        }
        uint distance = ReadUInt32LittleEndian(entry);
        int nameLength = entry[EaList.NameLengthAt];
        int length = EaList.HeaderLength + nameLength + 1 + ReadUInt16LittleEndian(entry[EaList.ValueLengthAt..]);

        // Each step is at least one entry long, so the list ends whatever the distances say.
        if (length > entry.Length || entry[EaList.HeaderLength + nameLength] != 0
            || (distance != 0 && (distance < length || distance % 4 != 0 || distance >= entry.Length)))
        {
            IsConsistent = false;
            return false;
        }
        Flags = entry[EaList.FlagsAt];
        Name = entry.Slice(EaList.HeaderLength, nameLength);
        Value = entry[(EaList.HeaderLength + nameLength + 1)..length];
        _next = distance == 0 ? -1 : Start + (int)distance;
        return true;
    }
}

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
