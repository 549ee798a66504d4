using DiscUtils.Streams;
using WinLoop.Ext4;

namespace WinLoop.DiscUtils;

/// <summary>An open file of the volume. It holds a reference to the inode: deleting the name takes nothing from it.</summary>
internal sealed class Ext4FileStream : SparseStream
{
    private readonly Ext4FileSystem _fileSystem;
    private readonly Ext4Volume _volume;
    private readonly Inode _inode;
    private readonly string _path;
    private readonly FileAccess _access;
    private readonly Caller _caller;
    private long _position;
    private bool _isDisposed;

    /// <param name="fileSystem">Closes it at the latest when it is disposed.</param>
    /// <param name="inode">A regular file; the stream takes over the reference.</param>
    /// <param name="path">For messages.</param>
    /// <param name="access">What may be done.</param>
    /// <param name="caller">Decides about reserved blocks.</param>
    /// <param name="position">Where it starts.</param>
    public Ext4FileStream(Ext4FileSystem fileSystem, Inode inode, string path, FileAccess access, Caller caller, long position)
    {
        _fileSystem = fileSystem;
        _volume = fileSystem.Volume;
        _inode = inode;
        _path = path;
        _access = access;
        _caller = caller;
        _position = position;
        Interlocked.Increment(ref inode.GetTag<OpenCount>().Value);
        fileSystem.Register(this);
    }

    public override bool CanRead => !_isDisposed && (_access & FileAccess.Read) != 0;

    public override bool CanSeek => !_isDisposed;

    public override bool CanWrite => !_isDisposed && (_access & FileAccess.Write) != 0;

    public override long Length
    {
        get
        {
            RequireOpen();
            return _inode.Size;
        }
    }

    public override long Position
    {
        get
        {
            RequireOpen();
            return _position;
        }

        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            RequireOpen();
            _position = value;
        }
    }

    public override IEnumerable<StreamExtent> Extents
    {
        get
        {
            RequireOpen();
            return FileExtents.Of(_volume, _inode, 0, long.MaxValue);
        }
    }

    public override IEnumerable<StreamExtent> GetExtentsInRange(long start, long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        RequireOpen();
        return FileExtents.Of(_volume, _inode, start, count);
    }

    public override int Read(Span<byte> buffer)
    {
        RequireReadable();
        try
        {
            int count = _position >= _inode.Size ? 0 : _volume.Read(_inode, buffer, _position);
            _position += count;
            return count;
        }
        catch (Ext4Exception e)
        {
            throw Explain(e);
        }
    }

    public override int Read(byte[] buffer, int offset, int count)
    {
        ValidateBufferArguments(buffer, offset, count);
        return Read(buffer.AsSpan(offset, count));
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        RequireWritable();
        if (buffer.Length > long.MaxValue - _position)
        {
            throw new IOException($"'{_path}': a write at {_position} leaves what a file can hold.");
        }
        try
        {
            WriteAll(_volume, _inode, buffer, _position, _caller);
            _position += buffer.Length;
        }
        catch (Ext4Exception e)
        {
            throw Explain(e);
        }
    }

    public override void Write(byte[] buffer, int offset, int count)
    {
        ValidateBufferArguments(buffer, offset, count);
        Write(buffer.AsSpan(offset, count));
    }

    /// <summary>Makes a hole of what is inside the file, and lets the file grow by what is behind its end.</summary>
    public override void Clear(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        RequireWritable();
        if (count > long.MaxValue - _position)
        {
            throw new IOException($"'{_path}': zeroes at {_position} leave what a file can hold.");
        }
        if (count == 0)
        {
            return;
        }
        long end = _position + count;
        try
        {
            long inside = Math.Min(end, _inode.Size) - _position;
            if (inside > 0)
            {
                ClearInside(inside);
            }
            if (end > _inode.Size)
            {
                _volume.SetAttributes(_inode, new AttributeChanges { Size = end }, _caller);
            }
            _position = end;
        }
        catch (Ext4Exception e)
        {
            throw Explain(e);
        }
    }

    /// <summary>fsync: content and attributes are durable when it returns. Nothing to do for a stream that only reads.</summary>
    public override void Flush()
    {
        RequireOpen();
        if ((_access & FileAccess.Write) == 0)
        {
            return;
        }
        try
        {
            _volume.Synchronize(_inode, dataOnly: false);
        }
        catch (Ext4Exception e)
        {
            throw Explain(e);
        }
    }

    public override long Seek(long offset, SeekOrigin origin)
    {
        RequireOpen();
        return _position = StreamPosition.Seek(offset, origin, _position, _inode.Size);
    }

    public override void SetLength(long value)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(value);
        RequireWritable();
        try
        {
            _volume.SetAttributes(_inode, new AttributeChanges { Size = value }, _caller);
            _position = Math.Min(_position, value);
        }
        catch (Ext4Exception e)
        {
            throw Explain(e);
        }
    }

    /// <summary>Writes all bytes or throws; what the engine wrote before the volume was full stays.</summary>
    internal static void WriteAll(Ext4Volume volume, Inode inode, ReadOnlySpan<byte> buffer, long offset, Caller caller)
    {
        while (!buffer.IsEmpty)
        {
            int count = volume.Write(inode, buffer, offset, caller);
            if (count <= 0)
            {
                throw new Ext4Exception(Errno.ENOSPC, "the volume is full");
            }
            buffer = buffer[count..];
            offset += count;
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && !Interlocked.Exchange(ref _isDisposed, true))
        {
            _fileSystem.Unregister(this);
            try
            {
                if (Interlocked.Decrement(ref _inode.GetTag<OpenCount>().Value) == 0)
                {
                    _volume.OnLastClose(_inode);
                }
            }
            finally
            {
                _volume.Release(_inode);
            }
        }
        base.Dispose(disposing);
    }

    private void ClearInside(long length)
    {
        try
        {
            _volume.Allocate(_inode, AllocateMode.PunchHole | AllocateMode.KeepSize, _position, length, _caller);
        }
        catch (Ext4Exception e) when (e.Errno == Errno.EOPNOTSUPP)
        {
            // A file without extents has no holes to punch: zeroes are written.
            byte[] zeroes = new byte[(int)Math.Min(length, 1 << 20)];
            for (long offset = _position, end = _position + length; offset < end; offset += zeroes.Length)
            {
                WriteAll(_volume, _inode, zeroes.AsSpan(0, (int)Math.Min(zeroes.Length, end - offset)), offset, _caller);
            }
        }
    }

    private Exception Explain(Ext4Exception e) => FailureMap.Explain(e, _path, _fileSystem.ReadOnlyReason);

    private void RequireOpen() => ObjectDisposedException.ThrowIf(_isDisposed, this);

    private void RequireReadable()
    {
        RequireOpen();
        if ((_access & FileAccess.Read) == 0)
        {
            throw new NotSupportedException($"'{_path}' is open for writing only.");
        }
    }

    private void RequireWritable()
    {
        RequireOpen();
        if ((_access & FileAccess.Write) == 0)
        {
            throw new NotSupportedException($"'{_path}' is open for reading only.");
        }
    }

    // How many streams have the inode open: the last one gives back what was preallocated for its growth.
    private sealed class OpenCount
    {
        public int Value;
    }
}
