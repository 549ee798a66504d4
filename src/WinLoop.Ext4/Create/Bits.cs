namespace WinLoop.Ext4.Create;

/// <summary>Bitmaps as ext4 stores them: bit i is bit i % 8 of byte i / 8.</summary>
internal static class Bits
{
    /// <summary>Sets <paramref name="count"/> bits from <paramref name="first"/> on.</summary>
    public static void Set(Span<byte> bitmap, int first, int count)
    {
        int end = first + count;
        for (; first < end && first % 8 != 0; first++)
        {
            bitmap[first / 8] |= (byte)(1 << (first % 8));
        }
        int wholeBytes = (end - first) / 8;
        bitmap.Slice(first / 8, wholeBytes).Fill(0xFF);
        for (first += wholeBytes * 8; first < end; first++)
        {
            bitmap[first / 8] |= (byte)(1 << (first % 8));
        }
    }
}
