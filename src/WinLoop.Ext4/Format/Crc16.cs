namespace WinLoop.Ext4.Format;

/// <summary>CRC-16 of gdt_csum descriptors: reflected 0x8005, seeded by the caller, not inverted.</summary>
internal static class Crc16
{
    private static readonly ushort[] s_table = Build();

    /// <summary>Continues <paramref name="seed"/> over <paramref name="data"/>.</summary>
    public static ushort Compute(ushort seed, ReadOnlySpan<byte> data)
    {
        uint crc = seed;
        foreach (byte b in data)
        {
            crc = (crc >> 8) ^ s_table[(crc ^ b) & 0xFF];
        }
        return (ushort)crc;
    }

    private static ushort[] Build()
    {
        var table = new ushort[256];
        for (uint i = 0; i < 256; i++)
        {
            uint crc = i;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xA001 : crc >> 1;
            }
            table[i] = (ushort)crc;
        }
        return table;
    }
}
