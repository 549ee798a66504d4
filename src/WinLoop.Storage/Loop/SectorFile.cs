using WinLoop.Storage.Linux;

namespace WinLoop.Storage;

/// <summary>
/// A drive that takes whole sectors only, aligned in the drive and in memory: what is not goes through a bounce buffer. A
/// part of a sector is read, changed and written back, with nobody else writing meanwhile, so that neighbours in one
/// sector do not undo each other.
/// </summary>
internal sealed unsafe class SectorFile : BackingFile
{
    private readonly BackingFile _inner;
    private readonly int _sector;
    private readonly IDisposable?[] _claims;
    private readonly ReaderWriterLockSlim _parts = new(LockRecursionPolicy.NoRecursion);

    /// <param name="inner">The drive; disposed with this.</param>
    /// <param name="claims">What keeps others off it; given up in this order after the drive is closed.</param>
    internal SectorFile(BackingFile inner, params IDisposable?[] claims)
    {
        _inner = inner;
        _claims = claims;
        _sector = inner.SectorSize;
        if (_sector is < 512 or > BounceBuffer.Size || (_sector & (_sector - 1)) != 0)
        {
            throw new BlockDeviceException(BlockDeviceError.Io, $"{inner.Path} has sectors of {_sector} bytes");
        }
    }

    internal override string Path => _inner.Path;

    internal override ImageIdentity Identity => _inner.Identity;

    internal override bool IsDirectIo => _inner.IsDirectIo;

    internal override int SectorSize => _sector;

    internal override long GetLength() => _inner.GetLength();

    internal override bool CanResize => _inner.CanResize;

    internal override void SetLength(long length) => _inner.SetLength(length);

    internal override bool IsUnlinked() => _inner.IsUnlinked();

    internal override long Read(byte* buffer, long length, long offset)
    {
        if (IsAligned((long)buffer) && IsAligned(offset) && IsAligned(length))
        {
            return _inner.Read(buffer, length, offset);
        }

        long done = 0;
        while (done < length)
        {
            long start = Floor(offset + done);
            int inside = (int)(offset + done - start);
            long wanted = Math.Min(length - done, BounceBuffer.Size - inside);
            byte* bounce = BounceBuffer.Get();
            long count = Math.Min(wanted, _inner.Read(bounce, Ceiling(inside + wanted), start) - inside);
            if (count <= 0)
            {
                break;
            }

            Buffer.MemoryCopy(bounce + inside, buffer + done, length - done, count);
            done += count;
            if (count < wanted)
            {
                break;
            }
        }

        return done;
    }

    internal override void Write(byte* buffer, long length, long offset)
    {
        long done = 0;
        while (done < length)
        {
            byte* from = buffer + done;
            long position = offset + done;
            int inside = (int)(position - Floor(position));
            if (inside != 0 || length - done < _sector)
            {
                done += WritePart(from, Math.Min(length - done, _sector - inside), position, inside);
                continue;
            }

            long whole = Floor(length - done);
            _parts.EnterReadLock();
            try
            {
                done += WriteWhole(from, whole, position);
            }
            finally
            {
                _parts.ExitReadLock();
            }
        }
    }

    internal override void Flush() => _inner.Flush();

    internal override void Discard(long offset, long length) => _inner.Discard(offset, length);

    internal override bool TryZero(long offset, long length) => _inner.TryZero(offset, length);

    public override void Dispose()
    {
        _inner.Dispose();
        foreach (IDisposable? claim in _claims)
        {
            claim?.Dispose();
        }

        _parts.Dispose();
    }

    private long WriteWhole(byte* from, long length, long position)
    {
        if (IsAligned((long)from))
        {
            _inner.Write(from, length, position);
            return length;
        }

        long part = Math.Min(length, BounceBuffer.Size);
        byte* bounce = BounceBuffer.Get();
        Buffer.MemoryCopy(from, bounce, BounceBuffer.Size, part);
        _inner.Write(bounce, part, position);
        return part;
    }

    private long WritePart(byte* from, long length, long position, int inside)
    {
        _parts.EnterWriteLock();
        try
        {
            byte* bounce = BounceBuffer.Get();
            long count = _inner.Read(bounce, _sector, position - inside);
            if (count < _sector)
            {
                throw new BlockDeviceException(BlockDeviceError.Io, $"read of the sector at {position - inside} of {Path} gave {count} bytes");
            }

            Buffer.MemoryCopy(from, bounce + inside, _sector - inside, length);
            _inner.Write(bounce, _sector, position - inside);
            return length;
        }
        finally
        {
            _parts.ExitWriteLock();
        }
    }

    private bool IsAligned(long value) => (value & (_sector - 1)) == 0;

    private long Floor(long value) => value & ~(long)(_sector - 1);

    private long Ceiling(long value) => Floor(value + _sector - 1);
}
