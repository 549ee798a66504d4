using System.Text;
using WinLoop.Ext4.Format;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Tests.Directories;

public class DirectoryBlockTests
{
    public static TheoryData<int, bool, bool> Formats => new()
    {
        { 1024, true, true }, { 1024, false, false }, { 2048, true, false }, { 4096, true, true }, { 4096, false, true },
        { 65536, true, true }, { 65536, true, false },
    };

    private static DirectoryBlock View(byte[] data, DirectoryFormat format) => new(data, format, 12, 3);

    [Theory]
    [MemberData(nameof(Formats))]
    public void Random_changes_keep_a_block_equal_to_a_model(int blockSize, bool hasFileType, bool hasTail)
    {
        var format = new DirectoryFormat(blockSize, 1000, hasFileType, hasTail);
        const int seed = 77;
        var random = new Random(seed);
        byte[] data = new byte[blockSize];
        random.NextBytes(data);
        DirectoryBlockWriter.Format(data, format);
        var model = new Dictionary<string, uint>();
        bool wasFull = false;
        for (int step = 0; step < 10_000; step++)
        {
            string name = new((char)('a' + random.Next(26)), 1 + random.Next(random.Next(10) == 0 ? 255 : 20));
            byte[] bytes = Encoding.ASCII.GetBytes(name);
            DirectoryBlock block = View(data, format);
            int at = block.Find(bytes, out int previous);
            Assert.Equal(model.ContainsKey(name), at >= 0);
            if (at >= 0)
            {
                Assert.Equal(model[name], block[at].Inode);
                Assert.Equal(hasFileType ? (DirectoryEntryType)(model[name] % 8) : DirectoryEntryType.Unknown, block[at].Type);
            }
            switch (random.Next(3))
            {
                case 0 when at >= 0:
                    DirectoryBlockWriter.Remove(block, at, previous);
                    model.Remove(name);
                    break;
                case 1 when at >= 0:
                    model[name] = (uint)random.Next(1, 1001);
                    DirectoryBlockWriter.Replace(block, format, at, model[name], (DirectoryEntryType)(model[name] % 8));
                    break;
                case 2 when at < 0:
                    int need = DirectoryFormat.Need(bytes.Length);
                    int room = block.FindRoom(need, out int used);
                    if (room < 0)
                    {
                        wasFull = true;
                        Assert.Equal(model.Keys.Sum(n => DirectoryFormat.Need(n.Length)), used);
                        if (used + need > block.End)
                        {
                            continue;
                        }
                        DirectoryBlockWriter.Compact(block);
                        room = block.FindRoom(need, out _);
                        Assert.True(room >= 0);
                    }
                    model[name] = (uint)random.Next(1, 1001);
                    DirectoryBlockWriter.Insert(block, format, room, bytes, model[name], (DirectoryEntryType)(model[name] % 8));
                    break;
            }
            if (step % (blockSize / 256) == 0)
            {
                AssertEqual(model, View(data, format));
            }
        }
        Assert.True(wasFull || blockSize == 65536);
        if (hasTail)
        {
            Assert.Equal("000000000C0000DE", Convert.ToHexString(data.AsSpan(blockSize - 12, 8)));
        }
    }

    private static void AssertEqual(Dictionary<string, uint> model, DirectoryBlock block)
    {
        int offset = 0, count = 0;
        while (block.MoveNext(ref offset, out DirectoryRecord entry))
        {
            Assert.Equal(model[Encoding.ASCII.GetString(block.Name(entry))], entry.Inode);
            count++;
        }
        Assert.Equal(model.Count, count);
    }

    [Fact]
    public void Removed_names_leave_no_bytes()
    {
        var format = new DirectoryFormat(1024, 1000, true, false);
        byte[] data = new byte[1024];
        DirectoryBlockWriter.Format(data, format);
        byte[] empty = [.. data];
        foreach (string name in new[] { "first", "second", "third" })
        {
            DirectoryBlock block = View(data, format);
            DirectoryBlockWriter.Insert(block, format, block.FindRoom(DirectoryFormat.Need(name.Length), out _), Encoding.ASCII.GetBytes(name), 20, DirectoryEntryType.Regular);
        }
        foreach (string name in new[] { "second", "first", "third" })
        {
            DirectoryBlock block = View(data, format);
            DirectoryBlockWriter.Remove(block, block.Find(Encoding.ASCII.GetBytes(name), out int previous), previous);
        }
        // The first entry stays as a free one, the second as another.
        DirectoryBlockWriter.Compact(View(data, format));
        Assert.Equal(empty, data);
    }

    [Fact]
    public void The_first_block_of_a_directory_is_as_the_kernel_makes_it()
    {
        var format = new DirectoryFormat(1024, 1000, true, true);
        byte[] data = new byte[1024];
        DirectoryBlockWriter.FormatFirst(data, format, 12, 2);
        Assert.Equal("0C0000000C0001022E00000002000000E80302022E2E0000", Convert.ToHexString(data.AsSpan(0, 24)));
        Assert.Equal(2u, View(data, format).ReadDots(out int behind));
        Assert.Equal(1012, behind);
    }

    [Fact]
    public void Whole_64K_blocks_are_encoded_as_FFFF()
    {
        var format = new DirectoryFormat(65536, 1000, true, false);
        byte[] data = new byte[65536];
        DirectoryBlockWriter.Format(data, format);
        Assert.Equal("00000000FFFF0000", Convert.ToHexString(data.AsSpan(0, 8)));
        Assert.Equal(65536, View(data, format)[0].Length);
        Assert.Equal(-1, View(data, format).Find("a"u8, out _));
    }

    [Theory]
    [InlineData(0, 4, "0000")]     // rec_len 0
    [InlineData(0, 4, "0800")]     // below the minimum
    [InlineData(0, 4, "0E00")]     // not a multiple of four
    [InlineData(0, 4, "0004")]     // past the tail
    [InlineData(12, 6, "FF")]      // name longer than the entry
    [InlineData(0, 0, "FFFF0000")] // inode beyond the volume
    [InlineData(0, 4, "EC03")]     // leaves 8 bytes
    [InlineData(24, 6, "00")]      // no name
    public void Impossible_entries_are_refused(int entry, int field, string bytes)
    {
        var format = new DirectoryFormat(1024, 1000, true, true);
        byte[] data = new byte[1024];
        DirectoryBlockWriter.FormatFirst(data, format, 12, 2);
        DirectoryBlockWriter.Insert(View(data, format), format, 12, "name"u8, 13, DirectoryEntryType.Regular);
        Convert.FromHexString(bytes).CopyTo(data, entry + field);
        Assert.Throws<Ext4CorruptException>(() =>
        {
            int offset = 0;
            while (View(data, format).MoveNext(ref offset, out _))
            {
            }
        });
        if (field != 6 || entry != 24)
        {
            Assert.Throws<Ext4CorruptException>(() => View(data, format).Find("other"u8, out _));
        }
        Assert.Throws<Ext4CorruptException>(() => View(data, format).FindRoom(2000, out _));
    }

    [Fact]
    public void Index_nodes_hold_sorted_pairs()
    {
        var format = new DirectoryFormat(1024, 1000, true, true);
        Assert.Equal(123, HtreeNode.Limit(format, HtreeNode.RootPairs));
        Assert.Equal(126, HtreeNode.Limit(format, HtreeNode.NodePairs));
        byte[] root = new byte[1024];
        HtreeNode.FormatRoot(root, format, 12, 2, HtreeHashVersion.HalfMd4, 1);
        Assert.Null(HtreeNode.CheckRoot(root, format, 1));
        Assert.Equal(0, HtreeNode.Search(root, HtreeNode.RootPairs, 0xFFFFFFFC));
        for (uint i = 1; i < 123; i++)
        {
            // Always behind the first pair, so the keys come out descending-inserted, ascending-stored.
            HtreeNode.InsertAfter(root, HtreeNode.RootPairs, 0, (123 - i) * 16, 200 + i);
        }
        Assert.Null(HtreeNode.CheckRoot(root, format, 1));
        for (uint hash = 0; hash < 123 * 16; hash++)
        {
            Assert.Equal((int)(hash / 16), HtreeNode.Search(root, HtreeNode.RootPairs, hash));
        }
        byte[] node = new byte[1024];
        HtreeNode.FormatNode(node, format);
        HtreeNode.CopyPairs(root, HtreeNode.RootPairs, 61, node);
        HtreeNode.Truncate(root, HtreeNode.RootPairs, 61);
        Assert.Null(HtreeNode.CheckNode(node, format));
        Assert.Null(HtreeNode.CheckRoot(root, format, 1));
        Assert.Equal(62, HtreeNode.Count(node, HtreeNode.NodePairs));
        Assert.Equal(262u, HtreeNode.Block(node, HtreeNode.NodePairs, 0));
        Assert.Equal(261u, HtreeNode.Block(node, HtreeNode.NodePairs, 1));
        Assert.True(HtreeNode.IsNode(node, format));
        Assert.Equal(1024, ReadUInt16LittleEndian(node.AsSpan(4)));
    }
}
