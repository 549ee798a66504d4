using System.Runtime.InteropServices;
using System.Text;
using WinLoop.Ext4.Format;
using WinLoop.Fuse.Protocol;

namespace WinLoop.Fuse.Tests.Protocol;

public unsafe class DirentWriterTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Entries_are_packed_and_padded_with_zeroes(bool plus)
    {
        byte[] buffer = new byte[4096];
        Array.Fill(buffer, (byte)0xEE);
        string[] names = ["a", "seven77", "eight888", new string('x', 255)];
        fixed (byte* at = buffer)
        {
            DirentWriter writer = new(at, buffer.Length, plus);
            for (int i = 0; i < names.Length; i++)
            {
                Assert.True(writer.TryAdd(Encoding.UTF8.GetBytes(names[i]), (uint)(100 + i), DirectoryEntryType.Regular, (ulong)i << 40));
            }
            int offset = 0;
            for (int i = 0; i < names.Length; i++)
            {
                if (plus)
                {
                    Assert.True(buffer.AsSpan(offset, sizeof(EntryOut)).IndexOfAnyExcept((byte)0) < 0);
                    offset += sizeof(EntryOut);
                }
                Dirent dirent = MemoryMarshal.Read<Dirent>(buffer.AsSpan(offset));
                offset += sizeof(Dirent);
                Assert.Equal((ulong)(100 + i), dirent.Inode);
                Assert.Equal((ulong)i << 40, dirent.Next);
                Assert.Equal(8u, dirent.Type);
                Assert.Equal(names[i], Encoding.UTF8.GetString(buffer, offset, (int)dirent.NameLength));
                int padded = ((int)dirent.NameLength + 7) & ~7;
                Assert.True(buffer.AsSpan(offset + (int)dirent.NameLength, padded - (int)dirent.NameLength).IndexOfAnyExcept((byte)0) < 0);
                offset += padded;
            }
            Assert.Equal(offset, writer.Length);
            Assert.Equal(0xEE, buffer[offset]);
        }
    }

    [Fact]
    public void An_entry_that_does_not_fit_is_refused_and_changes_nothing()
    {
        byte[] buffer = new byte[64];
        fixed (byte* at = buffer)
        {
            DirentWriter writer = new(at, buffer.Length, plus: false);
            Assert.True(writer.TryAdd("name"u8, 11, DirectoryEntryType.Directory, 1));
            int length = writer.Length;
            Assert.False(writer.TryAdd("a-name-of-16-byte"u8, 12, DirectoryEntryType.Directory, 2));
            Assert.Equal(length, writer.Length);
            Assert.True(writer.TryAdd("12345678"u8, 12, DirectoryEntryType.Directory, 2));
            Assert.Equal(64, writer.Length);
        }
    }

    [Theory]
    [InlineData(DirectoryEntryType.Unknown, 0)]
    [InlineData(DirectoryEntryType.Fifo, 1)]
    [InlineData(DirectoryEntryType.CharDevice, 2)]
    [InlineData(DirectoryEntryType.Directory, 4)]
    [InlineData(DirectoryEntryType.BlockDevice, 6)]
    [InlineData(DirectoryEntryType.Regular, 8)]
    [InlineData(DirectoryEntryType.Symlink, 10)]
    [InlineData(DirectoryEntryType.Socket, 12)]
    public void Types_are_those_of_readdir(DirectoryEntryType type, uint expected) =>
        Assert.Equal(expected, DirentWriter.ToDirentType(type));
}
