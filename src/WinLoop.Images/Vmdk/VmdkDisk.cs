using WinLoop.Storage;

namespace WinLoop.Images.Vmdk;

/// <summary>The disk: its extents one behind the other.</summary>
/// <remarks>Locks: the flush lock, then those of an extent.</remarks>
internal sealed class VmdkDisk : IBlockDevice
{
    private readonly VmdkExtent[] _extents;
    // The first byte of each extent, and then the end of the disk.
    private readonly long[] _starts;
    private readonly IGrowableDevice? _descriptorFile;
    private readonly ContentId _contentId;
    private readonly VmdkDisk? _parent;
    private readonly Lock _flushLock = new();
    private BlockDeviceException? _failure;
    private bool _hasBegun;
    private bool _isDisposed;
    private volatile bool _isAbandoned;

    /// <summary>Makes a disk of open extents, which it owns.</summary>
    /// <param name="extents">In the order of the disk; one at least.</param>
    /// <param name="descriptorFile">The file of the descriptor, if that is not the extent's; owned, too.</param>
    /// <param name="contentId">Changes with the first write.</param>
    /// <param name="parent">Of a delta link: read-only; owned, too.</param>
    /// <param name="isReadOnly">Refuses writes.</param>
    public VmdkDisk(VmdkExtent[] extents, IGrowableDevice? descriptorFile, ContentId contentId, VmdkDisk? parent, bool isReadOnly)
    {
        _parent = parent;
        _extents = extents;
        _descriptorFile = descriptorFile;
        _contentId = contentId;
        _starts = new long[extents.Length + 1];
        for (int i = 0; i < extents.Length; i++)
        {
            _starts[i + 1] = checked(_starts[i] + extents[i].Length);
        }

        IsReadOnly = isReadOnly;
    }

    /// <summary>The content identifier when it was opened; null: it has none.</summary>
    public uint? ContentId => _contentId.Value;

    /// <inheritdoc/>
    public long Length => _starts[^1];

    /// <inheritdoc/>
    public bool IsReadOnly { get; }

    /// <inheritdoc/>
    public int SectorSize => 512;

    /// <inheritdoc/>
    public void Read(Span<byte> buffer, long offset)
    {
        DeviceRange.Check(this, offset, buffer.Length);
        while (!buffer.IsEmpty)
        {
            (int extent, long inside, long part) = Locate(offset, buffer.Length);
            _extents[extent].Read(buffer[..(int)part], inside);
            buffer = buffer[(int)part..];
            offset += part;
        }
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data)
    {
        DeviceRange.CheckWrite(this, offset, buffer.Length);
        ThrowIfFailed();
        while (!buffer.IsEmpty)
        {
            (int extent, long inside, long part) = Locate(offset, buffer.Length);
            Begin(_extents[extent]);
            _extents[extent].Write(buffer[..(int)part], inside, tag);
            buffer = buffer[(int)part..];
            offset += part;
        }
    }

    /// <inheritdoc/>
    public void Flush()
    {
        if (IsReadOnly)
        {
            return;
        }

        lock (_flushLock)
        {
            ThrowIfFailed();
            try
            {
                foreach (VmdkExtent extent in _extents)
                {
                    extent.Flush();
                }
            }
            catch (BlockDeviceException e)
            {
                // Nobody knows now what is durable, so there is no second try.
                Volatile.Write(ref _failure, e);
                throw;
            }
        }
    }

    /// <inheritdoc/>
    public void Discard(long offset, long length)
    {
        DeviceRange.CheckWrite(this, offset, length);
        ThrowIfFailed();
        while (length > 0)
        {
            (int extent, long inside, long part) = Locate(offset, length);
            Begin(_extents[extent]);
            _extents[extent].Discard(inside, part);
            offset += part;
            length -= part;
        }
    }

    /// <inheritdoc/>
    public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data)
    {
        DeviceRange.CheckWrite(this, offset, length);
        ThrowIfFailed();
        while (length > 0)
        {
            (int extent, long inside, long part) = Locate(offset, length);
            Begin(_extents[extent]);
            _extents[extent].WriteZeroes(inside, part, tag);
            offset += part;
            length -= part;
        }
    }

    /// <inheritdoc/>
    public void Prefetch(long offset, long length)
    {
        DeviceRange.Check(this, offset, length);
        while (length > 0)
        {
            (int extent, long inside, long part) = Locate(offset, length);
            _extents[extent].Prefetch(inside, part);
            offset += part;
            length -= part;
        }
    }

    /// <inheritdoc/>
    public void Forget(long offset, long length)
    {
        DeviceRange.Check(this, offset, length);
        while (length > 0)
        {
            (int extent, long inside, long part) = Locate(offset, length);
            _extents[extent].Forget(inside, part);
            offset += part;
            length -= part;
        }
    }

    /// <inheritdoc/>
    public long ZeroRun(long offset, long length)
    {
        DeviceRange.Check(this, offset, length);
        long found = 0;
        while (found < length)
        {
            (int extent, long inside, long part) = Locate(offset + found, length - found);
            long run = _extents[extent].ZeroRun(inside, part);
            found += run;
            if (run < part)
            {
                break;
            }
        }

        return found;
    }

    /// <inheritdoc/>
    public void Abandon() => _isAbandoned = true;

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        try
        {
            if (_hasBegun && !_isAbandoned && Volatile.Read(ref _failure) is null)
            {
                Flush();
                lock (_flushLock)
                {
                    foreach (VmdkExtent extent in _extents)
                    {
                        if (extent.HasBegun)
                        {
                            extent.Finish();
                        }
                    }
                }
            }
        }
        catch (BlockDeviceException)
        {
            // Nothing that a flush has promised is lost.
        }

        foreach (VmdkExtent extent in _extents)
        {
            extent.Dispose();
        }

        _descriptorFile?.Dispose();
        _parent?.Dispose();
    }

    private void Begin(VmdkExtent extent)
    {
        if (extent.HasBegun)
        {
            return;
        }

        lock (_flushLock)
        {
            ThrowIfFailed();
            if (extent.HasBegun)
            {
                return;
            }

            try
            {
                if (!_hasBegun)
                {
                    _contentId.Change();
                    _descriptorFile?.Flush();
                    _hasBegun = true;
                }

                extent.Begin();
            }
            catch (BlockDeviceException e)
            {
                Volatile.Write(ref _failure, e);
                throw;
            }
        }
    }

    private (int Extent, long Inside, long Part) Locate(long offset, long length)
    {
        int low = 0, high = _extents.Length - 1;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            if (_starts[middle] <= offset)
            {
                low = middle;
            }
            else
            {
                high = middle - 1;
            }
        }

        return (low, offset - _starts[low], Math.Min(length, _starts[low + 1] - offset));
    }

    private void ThrowIfFailed()
    {
        if (Volatile.Read(ref _failure) is { } failure)
        {
            throw new BlockDeviceException(failure.Error, failure.Message, failure);
        }
    }
}
