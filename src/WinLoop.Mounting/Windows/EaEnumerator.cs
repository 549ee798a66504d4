using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Mounting.Windows;

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

    /// <summary>Goes on to the next entry, which this enumerator itself then shows.</summary>
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
