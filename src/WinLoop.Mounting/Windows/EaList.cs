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
