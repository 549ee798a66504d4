using WinLoop.Storage;

namespace WinLoop.Images.Tests.PowerCuts;

/// <summary>A file after a power cut: what was durable, and over it, in pages, what a state adds. Going back costs only
/// what was touched. For one thread.</summary>
internal sealed class StateFile : IGrowableDevice
{
    private const int PageSize = 4096;

    private readonly Dictionary<long, byte[]> _pages = [];
    private byte[] _settled;
    private long _settledLength;
    private long _length;

    public StateFile(byte[] content)
    {
        _settled = (byte[])content.Clone();
        _settledLength = _length = content.Length;
    }

    public long Length => _length;

    public bool IsReadOnly { get; set; }

    public int SectorSize => 512;

    /// <summary>Takes everything back that is not settled.</summary>
    public void Reset()
    {
        _pages.Clear();
        _length = _settledLength;
    }

    /// <summary>Makes what is there now the state to go back to.</summary>
    public void Settle()
    {
        if (_length > _settled.Length)
        {
            Array.Resize(ref _settled, (int)_length);
        }

        foreach ((long page, byte[] bytes) in _pages)
        {
            long start = page * PageSize;
            bytes.AsSpan(0, (int)Math.Clamp(_length - start, 0, PageSize)).CopyTo(_settled.AsSpan((int)Math.Min(start, _settled.Length)));
        }

        if (_length < _settledLength)
        {
            _settled.AsSpan((int)_length).Clear();
        }

        _settledLength = _length;
        _pages.Clear();
    }

    /// <summary>Does an operation, or only its first bytes. What lies behind the end is lost, as when the new size did
    /// not reach the disk.</summary>
    public void Apply(in FileOperation operation, int bytes = int.MaxValue)
    {
        long length = Math.Min(Math.Min(operation.Length, bytes), _length - operation.Offset);
        switch (operation.Kind)
        {
            case FileOperationKind.SetLength:
                SetLength(operation.Length);
                break;
            case FileOperationKind.Write when length > 0:
                Write(operation.Data.AsSpan(0, (int)length), operation.Offset);
                break;
            case FileOperationKind.Zero when length > 0:
                WriteZeroes(operation.Offset, length);
                break;
        }
    }

    public byte[] ToArray()
    {
        byte[] all = new byte[_length];
        Read(all, 0);
        return all;
    }

    public void SetLength(long length)
    {
        DeviceRange.CheckWrite(this, 0, 0);
        if (length < _length)
        {
            WriteZeroes(length, _length - length);
        }

        _length = length;
    }

    public void Read(Span<byte> buffer, long offset)
    {
        DeviceRange.Check(this, offset, buffer.Length);
        while (!buffer.IsEmpty)
        {
            int inside = (int)(offset % PageSize), part = Math.Min(PageSize - inside, buffer.Length);
            if (_pages.TryGetValue(offset / PageSize, out byte[]? page))
            {
                page.AsSpan(inside, part).CopyTo(buffer);
            }
            else
            {
                int there = (int)Math.Clamp(Math.Min(_settledLength, _settled.Length) - offset, 0, part);
                _settled.AsSpan((int)Math.Min(offset, _settled.Length), there).CopyTo(buffer);
                buffer[there..part].Clear();
            }

            buffer = buffer[part..];
            offset += part;
        }
    }

    public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data)
    {
        DeviceRange.CheckWrite(this, offset, buffer.Length);
        while (!buffer.IsEmpty)
        {
            int inside = (int)(offset % PageSize), part = Math.Min(PageSize - inside, buffer.Length);
            buffer[..part].CopyTo(Page(offset).AsSpan(inside));
            buffer = buffer[part..];
            offset += part;
        }
    }

    public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data)
    {
        DeviceRange.CheckWrite(this, offset, length);

        // Behind what is settled there is nothing but pages, and the file may be longer than any memory.
        long end = offset + length, last = Math.Min(end, _settled.Length);
        foreach (long page in _pages.Keys)
        {
            long start = Math.Max(page * PageSize, Math.Max(offset, last)), stop = Math.Min((page + 1) * PageSize, end);
            if (start < stop)
            {
                _pages[page].AsSpan((int)(start - (page * PageSize)), (int)(stop - start)).Clear();
            }
        }

        length = last - offset;
        while (length > 0)
        {
            int inside = (int)(offset % PageSize), part = (int)Math.Min(PageSize - inside, length);
            Page(offset).AsSpan(inside, part).Clear();
            offset += part;
            length -= part;
        }
    }

    public void Discard(long offset, long length) => WriteZeroes(offset, length);

    public void Flush()
    {
    }

    public void Dispose()
    {
    }

    private byte[] Page(long offset)
    {
        long index = offset / PageSize;
        if (!_pages.TryGetValue(index, out byte[]? page))
        {
            page = new byte[PageSize];
            long start = index * PageSize;
            int there = (int)Math.Clamp(Math.Min(_settledLength, _settled.Length) - start, 0, PageSize);
            _settled.AsSpan((int)Math.Min(start, _settled.Length), there).CopyTo(page);
            _pages.Add(index, page);
        }

        return page;
    }
}
