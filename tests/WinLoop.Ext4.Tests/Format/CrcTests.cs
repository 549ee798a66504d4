using WinLoop.Ext4.Format;

namespace WinLoop.Ext4.Tests.Format;

public sealed class CrcTests
{
    [Fact]
    public void Crc32CHasTheStandardCheckValue() => Assert.Equal(0xE3069283u, ~Crc32C.Compute(Crc32C.Initial, "123456789"u8));

    [Fact]
    public void Crc32COfZeroesFromRfc3720() => Assert.Equal(0x8A9136AAu, ~Crc32C.Compute(Crc32C.Initial, new byte[32]));

    [Fact]
    public void Crc32CEqualsTheBitwiseDefinitionAtEveryLength()
    {
        var random = new Random(1);
        var data = new byte[5000];
        random.NextBytes(data);
        uint reference = 0x12345678;
        for (int length = 0; length <= data.Length; length++)
        {
            Assert.Equal(reference, Crc32C.Compute(0x12345678, data.AsSpan(0, length)));
            reference = length < data.Length ? Bitwise32(reference, data[length]) : reference;
        }
    }

    [Fact]
    public void Crc32CDoesNotDependOnAlignmentOrOnCutting()
    {
        var random = new Random(2);
        var data = new byte[70_000];
        random.NextBytes(data);
        for (int i = 0; i < 300; i++)
        {
            int start = random.Next(64), length = random.Next(data.Length - 64), cut = random.Next(length + 1);
            uint seed = (uint)random.NextInt64(1L << 32);
            ReadOnlySpan<byte> part = data.AsSpan(start, length);
            uint whole = Crc32C.Compute(seed, part);
            Assert.Equal(whole, Crc32C.Compute(Crc32C.Compute(seed, part[..cut]), part[cut..]));
            Assert.Equal(whole, part.ToArray().Aggregate(seed, Bitwise32));
        }
    }

    [Fact]
    public void Crc32COfNumbersIsThatOfTheirLittleEndianBytes()
    {
        Assert.Equal(Crc32C.Compute(7, [0x44, 0x33, 0x22, 0x11]), Crc32C.Compute(7, 0x11223344u));
        Assert.Equal(Crc32C.Compute(7, [0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11]), Crc32C.Compute(7, 0x1122334455667788ul));
        for (int count = 0; count <= 64; count++)
        {
            Assert.Equal(Crc32C.Compute(9, new byte[count]), Crc32C.ComputeZeroes(9, count));
        }
    }

    [Fact]
    public void Crc16HasTheArcCheckValue() => Assert.Equal(0xBB3D, Crc16.Compute(0, "123456789"u8));

    [Fact]
    public void Crc16EqualsTheBitwiseDefinition()
    {
        var data = new byte[600];
        new Random(3).NextBytes(data);
        ushort reference = 0xFFFF;
        for (int length = 0; length < data.Length; length++)
        {
            Assert.Equal(reference, Crc16.Compute(0xFFFF, data.AsSpan(0, length)));
            reference = Bitwise16(reference, data[length]);
        }
    }

    private static uint Bitwise32(uint crc, byte value)
    {
        crc ^= value;
        for (int bit = 0; bit < 8; bit++)
        {
            crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82F63B78 : crc >> 1;
        }
        return crc;
    }

    private static ushort Bitwise16(ushort crc, byte value)
    {
        crc ^= value;
        for (int bit = 0; bit < 8; bit++)
        {
            crc = (ushort)((crc & 1) != 0 ? (crc >> 1) ^ 0xA001 : crc >> 1);
        }
        return crc;
    }
}
