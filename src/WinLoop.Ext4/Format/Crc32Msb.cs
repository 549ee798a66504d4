namespace WinLoop.Ext4.Format;

/// <summary>
/// CRC-32 most significant bit first (polynomial 0x04C11DB7, not reflected, not inverted): the checksum of
/// whole transactions in journals with the v1 checksum feature.
/// </summary>
internal static class Crc32Msb
{
    /// <summary>The value before the first block of a transaction.</summary>
    public const uint Initial = 0xFFFFFFFF;

    private static readonly uint[] s_table = BuildTable();

    /// <summary>Continues <paramref name="seed"/> over <paramref name="data"/>.</summary>
    public static uint Compute(uint seed, ReadOnlySpan<byte> data)
    {
        uint crc = seed;
        foreach (byte b in data)
        {
            crc = crc << 8 ^ s_table[crc >> 24 ^ b];
        }
        return crc;
    }

    private static uint[] BuildTable()
    {
        var table = new uint[256];
        for (uint i = 0; i < 256; i++)
        {
            uint crc = i << 24;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = crc << 1 ^ ((crc & 0x80000000) != 0 ? 0x04C11DB7u : 0);
            }
            table[i] = crc;
        }
        return table;
    }
}
