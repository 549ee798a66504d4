using System.Text;
using WinLoop.Ext4.Format;

namespace WinLoop.Ext4.Tests.Journal;

public class JournalFormatTests
{
    private static readonly byte[] s_uuid = [.. Enumerable.Range(1, 16).Select(i => (byte)i)];

    [Theory]
    [InlineData(0u, 0u, 8, 122)]
    [InlineData(0u, 2u, 12, 81)]
    [InlineData(1u, 2u, 12, 81)]
    [InlineData(0u, 8u, 10, 97)]
    [InlineData(0u, 10u, 14, 69)]
    [InlineData(0u, 16u, 16, 61)]
    [InlineData(0u, 18u, 16, 61)]
    public void TagsSurviveARoundTrip(uint compat, uint incompat, int tagSize, int perBlock)
    {
        var format = new JournalFormat(1024, (JournalCompatFeatures)compat, (JournalIncompatFeatures)incompat, s_uuid);
        Assert.Equal(tagSize, format.TagSize);
        Assert.Equal(perBlock, format.TagsPerBlock);
        byte[] block = new byte[1024];
        block.AsSpan().Fill(0xFF);
        int offset = JournalBlock.HeaderSize;
        ulong high = format.Is64Bit ? 0x1234_0000_0000UL : 0;
        for (int i = 0; i < perBlock; i++)
        {
            JournalTagFlags flags = (i == 0 ? 0 : JournalTagFlags.SameUuid) | (i % 3 == 0 ? JournalTagFlags.Escape : 0);
            offset = format.WriteTag(block, offset, high + (ulong)i + 100, flags, 0xA5A50000 + (uint)i);
        }
        Assert.True(offset <= 1024 - format.TailSize);
        offset = JournalBlock.HeaderSize;
        for (int i = 0; i < perBlock; i++)
        {
            Assert.True(format.TryReadTag(block, ref offset, out JournalTag tag));
            Assert.Equal(high + (ulong)i + 100, tag.Block);
            Assert.Equal(i % 3 == 0, (tag.Flags & JournalTagFlags.Escape) != 0);
            Assert.Equal(format.IsV3 ? 0xA5A50000 + (uint)i : format.IsV2 ? (uint)i : 0u, tag.Checksum);
        }
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(2u)]
    [InlineData(16u)]
    [InlineData(18u)]
    public void RevokeBlocksSurviveARoundTrip(uint incompat)
    {
        var format = new JournalFormat(4096, 0, (JournalIncompatFeatures)incompat, s_uuid);
        byte[] block = new byte[4096];
        ulong[] numbers = [.. Enumerable.Range(0, format.RevokesPerBlock).Select(i => (ulong)(i * 3))];
        format.WriteRevoke(block, 9, numbers);
        Assert.True(format.VerifyTail(block));
        Assert.Equal(numbers.Length, format.ReadRevokeCount(block));
        Assert.Equal(numbers, Enumerable.Range(0, numbers.Length).Select(i => format.ReadRevoke(block, i)));
        block[15] ^= 1;
        Assert.Equal(!format.HasTail, format.VerifyTail(block));
    }

    [Fact]
    public void ATornCommitBlockCountsUpToItsHeader()
    {
        var format = new JournalFormat(4096, 0, JournalIncompatFeatures.ChecksumV3, s_uuid);
        byte[] block = new byte[4096];
        format.WriteCommit(block, 5, 123456, 789);
        Assert.True(format.VerifyCommit(block));
        block.AsSpan(64).Fill(0x77);
        Assert.True(format.VerifyCommit(block));
        block[60] ^= 1;
        Assert.False(format.VerifyCommit(block));
    }

    [Fact]
    public void TheV1CrcIsTheKnownOne() =>
        // CRC-32/MPEG-2's check value.
        Assert.Equal(0x0376E6E7u, Crc32Msb.Compute(Crc32Msb.Initial, Encoding.ASCII.GetBytes("123456789")));

    [Theory]
    [InlineData(0x04, 9u)]      // block type
    [InlineData(0x0C, 4096u)]   // block size
    [InlineData(0x10, 1023u)]   // too short
    [InlineData(0x10, 5000u)]   // longer than its inode
    [InlineData(0x14, 0u)]      // s_first
    [InlineData(0x14, 1100u)]
    [InlineData(0x1C, 1100u)]   // s_start
    [InlineData(0x28, 0x18u)]   // v2 and v3
    public void ImpossibleSuperblocksAreRefused(int at, uint value)
    {
        var jsb = new JournalSuperblock(1024, 1100, s_uuid);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(jsb.Raw[at..], value);
        Assert.Throws<Ext4CorruptException>(() => JournalFormat.Create(jsb, 1024, 1100));
    }

    [Fact]
    public void UnknownFeaturesAreRefused()
    {
        var jsb = new JournalSuperblock(1024, 1100, s_uuid) { Incompat = (JournalIncompatFeatures)0x40 };
        Assert.Throws<Ext4NotSupportedException>(() => JournalFormat.Create(jsb, 1024, 1100));
        jsb = new JournalSuperblock(1024, 1100, s_uuid) { RoCompat = 1 };
        Assert.Throws<Ext4NotSupportedException>(() => JournalFormat.Create(jsb, 1024, 1100));
        jsb = new JournalSuperblock(1024, 1100, s_uuid) { Compat = (JournalCompatFeatures)0x80 };
        JournalFormat.Create(jsb, 1024, 1100);
    }

    [Fact]
    public void AWrongSuperblockChecksumIsDamage()
    {
        var jsb = new JournalSuperblock(1024, 1100, s_uuid) { Incompat = JournalIncompatFeatures.ChecksumV3, ChecksumType = 4 };
        jsb.UpdateChecksum();
        JournalFormat.Create(jsb, 1024, 1100);
        jsb.Sequence++;
        Assert.Throws<Ext4CorruptException>(() => JournalFormat.Create(jsb, 1024, 1100));
    }
}
