using System.Collections.Concurrent;

namespace WinLoop.Storage;

/// <summary>
/// Copy-on-write in memory over a device that is only read: what is written goes into pages of the
/// overlay, and the base never changes by a byte.
/// </summary>
/// <remarks>A page in memory costs about 4.2 KiB, a page of zeroes about 60 bytes. While one thread writes
/// and another reads the same page, the reader may see a part of the write, as with any device.</remarks>
public sealed class OverlayDevice : IBlockDevice
{
    /// <summary>Bytes of a page.</summary>
    public const int PageSize = 4096;

    /// <summary>What a page costs with what keeps it, about.</summary>
    private const int PageCost = PageSize + 128;

    /// <summary>What a page of zeroes costs.</summary>
    private const int ZeroPageCost = 64;

    /// <summary>The part of the limit that file content cannot have.</summary>
    private const int ReserveDivisor = 8;

    /// <summary>Stands for a page of zeroes; never written to.</summary>
    private static readonly byte[] s_zeroPage = new byte[PageSize];

    private readonly IBlockDevice _base;
    private readonly bool _ownsBase;
    private readonly long _limit;
    private readonly long _contentLimit;
    private readonly ConcurrentDictionary<long, byte[]> _pages = new(concurrencyLevel: 4, capacity: 31);
    private long _used;

    /// <summary>Makes an overlay without changes.</summary>
    /// <param name="baseDevice">What is below; it is only read.</param>
    /// <param name="ownsBase">Disposing the overlay disposes the base.</param>
    /// <param name="limit">Bytes of memory that the changes may take. A write that needs more fails with NoSpace. File
    /// content may take seven eighths: a file system that is full of content can still write its journal.</param>
    public OverlayDevice(IBlockDevice baseDevice, bool ownsBase = false, long limit = long.MaxValue)
    {
        ArgumentNullException.ThrowIfNull(baseDevice);
        ArgumentOutOfRangeException.ThrowIfNegative(limit);
        _limit = limit;
        _contentLimit = limit - (limit / ReserveDivisor);
        _base = baseDevice;
        _ownsBase = ownsBase;
        Length = baseDevice.Length;
        SectorSize = baseDevice.SectorSize;
    }

    /// <inheritdoc/>
    public long Length { get; }

    /// <summary>False: the overlay takes writes even though the base is not written.</summary>
    public bool IsReadOnly => false;

    /// <inheritdoc/>
    public int SectorSize { get; }

    /// <summary>Bytes of memory that the changes take, about.</summary>
    public long UsedBytes => Interlocked.Read(ref _used);

    /// <summary>How many pages differ from the base, or may.</summary>
    public int ChangedPages => _pages.Count;

    /// <inheritdoc/>
    public void Read(Span<byte> buffer, long offset)
    {
        DeviceRange.Check(this, offset, buffer.Length);
        if (_pages.IsEmpty)
        {
            _base.Read(buffer, offset);
            return;
        }

        int done = 0;
        int fromBase = 0; // bytes right before done that must come from the base
        while (done < buffer.Length)
        {
            (long page, int inside, int part) = Locate(offset + done, buffer.Length - done);
            if (_pages.TryGetValue(page, out byte[]? content))
            {
                if (fromBase > 0)
                {
                    _base.Read(buffer.Slice(done - fromBase, fromBase), offset + done - fromBase);
                    fromBase = 0;
                }

                content.AsSpan(inside, part).CopyTo(buffer[done..]);
            }
            else
            {
                fromBase += part;
            }

            done += part;
        }

        if (fromBase > 0)
        {
            _base.Read(buffer.Slice(done - fromBase, fromBase), offset + done - fromBase);
        }
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data)
    {
        DeviceRange.CheckWrite(this, offset, buffer.Length);
        while (!buffer.IsEmpty)
        {
            (long page, int inside, int part) = Locate(offset, buffer.Length);
            // A whole page is filled before anybody can see it.
            if (part < PageSize || _pages.ContainsKey(page) || !TryAdd(page, buffer[..part].ToArray(), tag))
            {
                buffer[..part].CopyTo(WritablePage(page, tag).AsSpan(inside));
            }

            buffer = buffer[part..];
            offset += part;
        }
    }

    /// <summary>Nothing to do: an overlay is gone with its process.</summary>
    public void Flush()
    {
    }

    /// <summary>Pages of the overlay that lie in the range as a whole become pages of zeroes and take no memory; for the base
    /// there is nothing to give back.</summary>
    public void Discard(long offset, long length)
    {
        DeviceRange.CheckWrite(this, offset, length);
        long end = (offset + length) / PageSize;
        long first = (offset + PageSize - 1) / PageSize;
        if (_pages.Count < end - first)
        {
            foreach (long page in _pages.Keys.Where(page => page >= first && page < end))
            {
                Empty(page);
            }

            return;
        }

        for (long page = first; page < end; page++)
        {
            Empty(page);
        }
    }

    /// <inheritdoc/>
    public void Prefetch(long offset, long length) => _base.Prefetch(offset, length);

    /// <inheritdoc/>
    public void Forget(long offset, long length) => _base.Forget(offset, length);

    /// <inheritdoc/>
    public void Abandon() => _base.Abandon();

    /// <inheritdoc/>
    public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data)
    {
        DeviceRange.CheckWrite(this, offset, length);
        while (length > 0)
        {
            (long page, int inside, int part) = Locate(offset, length);
            if (part < PageSize || !(Empty(page) || TryAddZeroes(page, tag)))
            {
                WritablePage(page, tag).AsSpan(inside, part).Clear();
            }

            offset += part;
            length -= part;
        }
    }

    /// <summary>Writes all changes to another device of the same size, in order of position.</summary>
    public void CopyChangesTo(IBlockDevice target) => CopyPages(target, [.. _pages.Keys]);

    /// <summary>Writes all changes to another device of the same size, makes them durable, then writes those that
    /// go last, and makes these durable too.</summary>
    /// <param name="target">The device.</param>
    /// <param name="last">Positions in bytes; the pages that hold them are written last.</param>
    public void CopyChangesTo(IBlockDevice target, IEnumerable<long> last)
    {
        var late = last.Select(offset => offset / PageSize).ToHashSet();
        CopyPages(target, [.. _pages.Keys.Where(page => !late.Contains(page))]);
        target.Flush();
        CopyPages(target, [.. late.Where(_pages.ContainsKey)]);
        target.Flush();
    }

    private void CopyPages(IBlockDevice target, long[] pages)
    {
        Array.Sort(pages);
        foreach (long page in pages)
        {
            long offset = page * PageSize;
            target.Write(_pages[page].AsSpan(0, (int)Math.Min(PageSize, Length - offset)), offset);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_ownsBase)
        {
            _base.Dispose();
        }
    }

    private static (long Page, int Inside, int Part) Locate(long offset, long length)
    {
        int inside = (int)(offset % PageSize);
        return (offset / PageSize, inside, (int)Math.Min(PageSize - inside, length));
    }

    /// <summary>Makes a page of the overlay a page of zeroes.</summary>
    /// <returns>False if it is not in the overlay.</returns>
    private bool Empty(long page)
    {
        while (_pages.TryGetValue(page, out byte[]? content))
        {
            if (ReferenceEquals(content, s_zeroPage))
            {
                return true;
            }

            if (_pages.TryUpdate(page, s_zeroPage, content))
            {
                Interlocked.Add(ref _used, ZeroPageCost - PageCost);
                return true;
            }
        }

        return false;
    }

    /// <returns>False if another thread was faster.</returns>
    private bool TryAdd(long page, byte[] content, WriteTag tag)
    {
        Take(PageCost, tag);
        bool isAdded = _pages.TryAdd(page, content);
        if (!isAdded)
        {
            Interlocked.Add(ref _used, -PageCost);
        }

        return isAdded;
    }

    private bool TryAddZeroes(long page, WriteTag tag)
    {
        Take(ZeroPageCost, tag);
        bool isAdded = _pages.TryAdd(page, s_zeroPage);
        if (!isAdded)
        {
            Interlocked.Add(ref _used, -ZeroPageCost);
        }

        return isAdded;
    }

    /// <summary>Takes memory out of the limit.</summary>
    private void Take(int bytes, WriteTag tag)
    {
        if (Interlocked.Add(ref _used, bytes) > (tag == WriteTag.Data ? _contentLimit : _limit))
        {
            Interlocked.Add(ref _used, -bytes);
            throw new BlockDeviceException(BlockDeviceError.NoSpace, $"the overlay in memory has reached its limit of {_limit} bytes");
        }
    }

    /// <summary>The page of the overlay, made from the base where that is still needed.</summary>
    private byte[] WritablePage(long page, WriteTag tag)
    {
        while (true)
        {
            if (!_pages.TryGetValue(page, out byte[]? content))
            {
                byte[] made = new byte[PageSize];
                int length = (int)Math.Min(PageSize, Length - (page * PageSize));
                _base.Read(made.AsSpan(0, length), page * PageSize);
                if (!TryAdd(page, made, tag))
                {
                    continue; // the first one counts; all writers fill that
                }

                content = made;
            }

            if (!ReferenceEquals(content, s_zeroPage))
            {
                return content;
            }

            Take(PageCost - ZeroPageCost, tag);
            byte[] fresh = new byte[PageSize];
            if (_pages.TryUpdate(page, fresh, s_zeroPage))
            {
                return fresh;
            }

            Interlocked.Add(ref _used, ZeroPageCost - PageCost);
        }
    }
}
