namespace WinLoop.Ext4.Tests.Files;

/// <summary>What a file's content should be: pages of non-zero bytes and a size.</summary>
internal sealed class FileModel(int pageSize)
{
    private readonly SortedDictionary<long, byte[]> _pages = [];

    public long Size { get; private set; }

    public IEnumerable<long> PageOffsets => _pages.Keys.Select(page => page * pageSize);

    public void Write(ReadOnlySpan<byte> data, long offset)
    {
        long end = offset + data.Length;
        while (!data.IsEmpty)
        {
            long number = offset / pageSize;
            int start = (int)(offset % pageSize);
            int length = Math.Min(data.Length, pageSize - start);
            if (!_pages.TryGetValue(number, out byte[]? page))
            {
                _pages[number] = page = new byte[pageSize];
            }
            data[..length].CopyTo(page.AsSpan(start));
            data = data[length..];
            offset += length;
        }
        Size = Math.Max(Size, end);
    }

    public void Read(Span<byte> data, long offset)
    {
        data.Clear();
        while (!data.IsEmpty)
        {
            int start = (int)(offset % pageSize);
            int length = Math.Min(data.Length, pageSize - start);
            if (_pages.TryGetValue(offset / pageSize, out byte[]? page))
            {
                page.AsSpan(start, length).CopyTo(data);
            }
            data = data[length..];
            offset += length;
        }
    }

    public void Zero(long offset, long end)
    {
        foreach (long number in _pages.Keys.Where(n => (n + 1) * pageSize > offset && n * pageSize < end).ToList())
        {
            int from = (int)Math.Max(0, offset - (number * pageSize));
            int to = (int)Math.Min(pageSize, end - (number * pageSize));
            _pages[number].AsSpan(from, to - from).Clear();
        }
    }

    public void SetSize(long size)
    {
        if (size < Size)
        {
            Zero(size, Size);
        }
        Size = size;
    }

    public void Collapse(long offset, long length)
    {
        Shift(offset, length, -(length / pageSize));
        Size -= length;
    }

    public void Insert(long offset, long length)
    {
        Shift(offset, 0, length / pageSize);
        Size += length;
    }

    // Pages behind offset + dropped move; those in [offset, offset + dropped) go.
    private void Shift(long offset, long dropped, long pages)
    {
        long first = offset / pageSize, kept = (offset + dropped) / pageSize;
        var moved = _pages.Where(p => p.Key >= first).ToList();
        foreach (KeyValuePair<long, byte[]> page in moved)
        {
            _pages.Remove(page.Key);
        }
        foreach (KeyValuePair<long, byte[]> page in moved.Where(p => p.Key >= kept))
        {
            _pages[page.Key + pages] = page.Value;
        }
    }

    /// <summary>Compares everything that is not zero, its surroundings and the end.</summary>
    public void AssertEqual(Func<long, byte[], int> read, long size, string what)
    {
        Assert.True(Size == size, $"{what}: size {size} instead of {Size}");
        byte[] actual = new byte[3 * pageSize], expected = new byte[3 * pageSize];
        long covered = 0;
        foreach (long offset in PageOffsets.Append(Size))
        {
            long start = Math.Max(Math.Max(0, offset - pageSize), covered);
            while (start < Math.Min(Size, offset + (2 * pageSize)))
            {
                int count = (int)Math.Min(Size - start, actual.Length);
                Assert.True(count == read(start, actual), $"{what}: short read at {start} of {Size}");
                Read(expected.AsSpan(0, count), start);
                int same = actual.AsSpan(0, count).CommonPrefixLength(expected.AsSpan(0, count));
                Assert.True(same == count, $"{what}: byte {start + same} of {Size} is {(same < count ? actual[same] : 0)} and not {(same < count ? expected[same] : 0)}");
                start += count;
                covered = start;
            }
        }
    }
}
