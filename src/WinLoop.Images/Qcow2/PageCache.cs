using System.Buffers.Binary;
using WinLoop.Storage;

namespace WinLoop.Images.Qcow2;

/// <summary>
/// The parts of L2 tables, or of refcount blocks, that are in memory: 1024 pages of 4 KiB at most, whatever the size of the
/// disk. A word of a page that is here is read without a lock.
/// </summary>
/// <remarks>The cache's lock is the last one. A changed page stays until a commit has written it: the file's copy is old until
/// then. The words are in the order of the machine; the file's are big-endian.</remarks>
internal sealed class PageCache
{
    /// <summary>Most changed pages between two commits.</summary>
    public const int MaxDirty = 256;

    private const int MaxPageSize = 4096;
    private const int Sets = 256;
    private const int Ways = 4;

    private readonly IBlockDevice _file;
    private readonly int _pageSize;
    private readonly Lock _lock = new();
    private readonly MetadataPage?[] _pages = new MetadataPage?[Sets * Ways];
    private readonly List<MetadataPage> _dirty = [];
    private readonly List<MetadataPage> _taken = [];
    private readonly byte[] _buffer;
    private byte[] _content = [];
    private long[] _offsets = [];
    private int _clock;

    /// <summary>Makes a cache of tables that have a cluster each.</summary>
    public PageCache(IBlockDevice file, int clusterSize)
    {
        _file = file;
        _pageSize = Math.Min(MaxPageSize, clusterSize);
        _buffer = new byte[_pageSize];
    }

    /// <summary>Whether a commit has something to write. Under the map lock.</summary>
    public bool HasDirty => _dirty.Count > 0;

    /// <summary>A word of a table.</summary>
    /// <param name="offset">Its first byte in the file, a multiple of 8.</param>
    public ulong Read(long offset)
    {
        long start = offset & -_pageSize;
        int index = (int)(offset - start) / sizeof(ulong);
        int set = SetOf(start);
        for (int i = set; i < set + Ways; i++)
        {
            if (Volatile.Read(ref _pages[i]) is { } page && page.TryRead(start, index, out ulong word))
            {
                return word;
            }
        }

        lock (_lock)
        {
            if (FindOrLoad(start) is { } page)
            {
                return page[index];
            }

            // All places are taken by pages that wait for a commit.
            Fetch(start);
            return BinaryPrimitives.ReadUInt64BigEndian(_buffer.AsSpan(index * sizeof(ulong)));
        }
    }

    /// <summary>Gets the page of a word to change it; it stays until the next commit. Under the map lock.</summary>
    /// <returns>False: only after a commit.</returns>
    public bool TryHold(long offset, out MetadataPage page, out int index)
    {
        long start = offset & -_pageSize;
        index = (int)(offset - start) / sizeof(ulong);
        lock (_lock)
        {
            MetadataPage? found = FindOrLoad(start);
            page = found!;
            if (found is null)
            {
                return false;
            }

            if (!found.IsDirty)
            {
                if (_dirty.Count >= MaxDirty)
                {
                    return false;
                }

                found.IsDirty = true;
                _dirty.Add(found);
            }

            return true;
        }
    }

    /// <summary>Copies the changed pages, for <see cref="WriteTaken"/>. Under the map lock.</summary>
    /// <returns>Whether there are any.</returns>
    public bool Take()
    {
        lock (_lock)
        {
            if (_dirty.Count == 0)
            {
                return false;
            }

            if (_offsets.Length < _dirty.Count)
            {
                // Doubled, so that this comes to an end.
                _offsets = new long[Math.Min(MaxDirty, Math.Max(8, 2 * _dirty.Count))];
                _content = new byte[_offsets.Length * _pageSize];
            }

            for (int i = 0; i < _dirty.Count; i++)
            {
                MetadataPage page = _dirty[i];
                _offsets[i] = page.Offset;
                Span<byte> target = _content.AsSpan(i * _pageSize, _pageSize);
                for (int n = 0; n < page.Words.Length; n++)
                {
                    BinaryPrimitives.WriteUInt64BigEndian(target[(n * sizeof(ulong))..], page[n]);
                }

                page.IsDirty = false;
                page.IsBusy = true;
                _taken.Add(page);
            }

            _dirty.Clear();
            return true;
        }
    }

    /// <summary>Writes what was taken. Every entry of a table is the old one or the new one, because sectors are not torn.</summary>
    public void WriteTaken()
    {
        for (int i = 0; i < _taken.Count; i++)
        {
            _file.Write(_content.AsSpan(i * _pageSize, _pageSize), _offsets[i], WriteTag.Metadata);
        }

        lock (_lock)
        {
            foreach (MetadataPage page in _taken)
            {
                page.IsBusy = false;
            }

            _taken.Clear();
        }
    }

    private static int SetOf(long start) => (int)(((ulong)start / 512 * 0x9E37_79B9_7F4A_7C15) >> 56) * Ways;

    private MetadataPage? FindOrLoad(long start)
    {
        int set = SetOf(start);
        MetadataPage? victim = null;
        int free = -1;
        for (int n = 0; n < Ways; n++)
        {
            // Begins at another place each time, so that no page is always the one to go.
            int i = set + ((n + _clock) & (Ways - 1));
            MetadataPage? page = _pages[i];
            if (page?.Offset == start)
            {
                return page;
            }

            if (page is null)
            {
                free = i;
            }
            else if (!page.IsDirty && !page.IsBusy)
            {
                victim = page;
            }
        }

        if (free < 0 && victim is null)
        {
            return null;
        }

        _clock++;
        Fetch(start);
        MetadataPage target = free >= 0 ? new MetadataPage(_pageSize / sizeof(ulong)) : victim!;
        target.BeginRefill();
        for (int n = 0; n < target.Words.Length; n++)
        {
            target[n] = BinaryPrimitives.ReadUInt64BigEndian(_buffer.AsSpan(n * sizeof(ulong)));
        }

        target.EndRefill(start);
        if (free >= 0)
        {
            Volatile.Write(ref _pages[free], target);
        }

        return target;
    }

    // A table at the end of the file may be short; what is behind the end is zero.
    private void Fetch(long start)
    {
        int there = (int)Math.Clamp(_file.Length - start, 0, _pageSize);
        if (there > 0)
        {
            _file.Read(_buffer.AsSpan(0, there), start);
        }

        _buffer.AsSpan(there).Clear();
    }
}
