using WinLoop.Ext4.Extents;
using WinLoop.Ext4.Format;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Tests.Extents;

public sealed class ExtentNodeTests
{
    private const int Capacity = 84;

    [Theory]
    [InlineData(1024, 84)]
    [InlineData(2048, 169)]
    [InlineData(4096, 340)]
    [InlineData(65536, 5460)]
    public void CapacityIsThatOfTheFormat(int blockSize, int expected) => Assert.Equal(expected, ExtentNode.Capacity(blockSize));

    [Fact]
    public void ExtentsAreEncodedAsTheKernelDoes()
    {
        ExtentNode node = Leaf(out byte[] raw, 0, 2);
        node.SetExtent(0, new ExtentMapping(5, 0x123456789ABC, 32768, ExtentState.Written));
        node.SetExtent(1, new ExtentMapping(0x9000, 7, 32767, ExtentState.Unwritten));
        Assert.Equal("0AF3020054000000" + "00000000" + "0500000000803412BC9A7856" + "00900000FFFF000007000000", Convert.ToHexString(raw, 0, 36));
        Assert.Equal(new ExtentMapping(5, 0x123456789ABC, 32768, ExtentState.Written), node.Extent(0));
        Assert.Equal(new ExtentMapping(0x9000, 7, 32767, ExtentState.Unwritten), node.Extent(1));
        Assert.Null(node.Check(Capacity));
    }

    [Fact]
    public void FindsTheLastEntryThatIsNotBehind()
    {
        for (int count = 0; count < 20; count++)
        {
            ExtentNode node = Leaf(out _, 0, count);
            for (int i = 0; i < count; i++)
            {
                node.SetExtent(i, new ExtentMapping((uint)(10 + (i * 10)), 1, 5, ExtentState.Written));
            }
            for (uint logical = 0; logical < 230; logical++)
            {
                Assert.Equal(Math.Min(((int)logical / 10) - 1, count - 1), node.Find(logical));
            }
        }
    }

    [Fact]
    public void EntriesMoveWhenOthersComeAndGo()
    {
        ExtentNode node = Leaf(out byte[] raw, 0, 5);
        for (int i = 0; i < 5; i++)
        {
            node.SetExtent(i, new ExtentMapping((uint)i, (ulong)i, 1, ExtentState.Written));
        }
        node.MakeRoom(2, 2);
        Assert.Equal(7, node.Count);
        Assert.Equal([0u, 1, 2, 3, 4], new[] { 0, 1, 4, 5, 6 }.Select(i => new ExtentNode(raw).Key(i)));
        node = Leaf(out byte[] again, 0, 3);
        for (int i = 0; i < 3; i++)
        {
            node.SetIndex(i, (uint)i, 77);
        }
        node.RemoveAt(0);
        Assert.Equal(2, node.Count);
        Assert.Equal(1u, node.Key(0));
        Assert.Equal(2u, new ExtentNode(again).Key(1));
    }

    [Theory]
    [InlineData(0, 0xF30B, "eh_magic")]
    [InlineData(2, 85, "eh_entries")]
    [InlineData(4, 0, "eh_max")]
    [InlineData(4, 85, "eh_max")]
    [InlineData(6, 6, "eh_depth")]
    [InlineData(6, 0xFFFF, "eh_depth")]
    public void ImpossibleHeadersAreNamed(int at, int value, string field)
    {
        ExtentNode node = Leaf(out byte[] raw, 0, 1);
        node.SetExtent(0, new ExtentMapping(0, 100, 1, ExtentState.Written));
        WriteUInt16LittleEndian(raw.AsSpan(at), (ushort)value);
        Assert.StartsWith(field, node.Check(Capacity), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0u, 10u, 9u)]           // overlap
    [InlineData(10u, 5u, 0u)]           // out of order
    [InlineData(0u, 0u, 20u)]           // length 0
    [InlineData(0u, 10u, 0xFFFFFFFFu)]  // behind the last block
    [InlineData(0u, 10u, 0xFFFFFFFEu)]  // reaches over the last block
    public void ImpossibleExtentsAreRefused(uint first, uint length, uint second)
    {
        ExtentNode node = Leaf(out _, 0, 2);
        node.SetExtent(0, new ExtentMapping(first, 100, length, ExtentState.Written));
        node.SetExtent(1, new ExtentMapping(second, 200, 2, ExtentState.Written));
        Assert.Contains("extent", node.Check(Capacity), StringComparison.Ordinal);
    }

    [Fact]
    public void IndexNodesHaveEntriesInOrder()
    {
        ExtentNode node = Leaf(out _, 1, 0);
        Assert.NotNull(node.Check(Capacity));
        node = Leaf(out _, 1, 2);
        node.SetIndex(0, 4, 0xFFFF_FFFF_FFFF);
        node.SetIndex(1, 5, 100);
        Assert.Equal(0xFFFF_FFFF_FFFFu, node.Child(0));
        Assert.Null(node.Check(Capacity));
        node.SetKey(1, 4);
        Assert.NotNull(node.Check(Capacity));
    }

    [Fact]
    public void AnyBytesAreJudgedWithoutAnException()
    {
        int seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        var random = new Random(seed);
        for (int i = 0; i < 20000; i++)
        {
            ExtentNode node = Leaf(out byte[] raw, random.Next(3), 0);
            random.NextBytes(raw.AsSpan(12));
            node.Count = random.Next(90);
            if (random.Next(4) == 0)
            {
                random.NextBytes(raw.AsSpan(random.Next(12), 1));
            }
            string? wrong = node.Check(Capacity);
            Assert.True(wrong is null || wrong.Length > 5);
        }
    }

    private static ExtentNode Leaf(out byte[] raw, int depth, int count)
    {
        raw = new byte[1024];
        var node = new ExtentNode(raw);
        node.Initialize(Capacity, depth);
        node.Count = count;
        return node;
    }
}
