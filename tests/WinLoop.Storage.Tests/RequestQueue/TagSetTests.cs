namespace WinLoop.Storage.Tests;

public sealed class TagSetTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(65)]
    [InlineData(500)]
    [InlineData(513)]
    [InlineData(4096)]
    public void Gives_every_tag_once_and_takes_it_back(int depth)
    {
        var set = new TagSet(depth);
        Assert.Equal(0, set.InUse);
        var seen = new HashSet<int>();
        for (int i = 0; i < depth; i++)
        {
            int tag = set.TryGet(depth / 2);
            Assert.InRange(tag, 0, depth - 1);
            Assert.True(seen.Add(tag));
            Assert.Equal(i + 1, set.InUse);
        }

        Assert.Equal(-1, set.TryGet(0));
        foreach (int tag in seen)
        {
            set.Put(tag);
        }

        Assert.Equal(0, set.InUse);
        Assert.Equal(depth - 1, set.TryGet(depth - 1));
        Assert.NotEqual(depth - 1, depth == 1 ? 1 : set.TryGet(depth - 1));
    }
}
