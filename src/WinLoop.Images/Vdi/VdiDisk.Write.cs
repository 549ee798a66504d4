using WinLoop.Storage;

namespace WinLoop.Images.Vdi;

/// <summary>Changes of the disk.</summary>
internal sealed partial class VdiDisk
{
    private readonly Lock _commitLock = new();
    private readonly Lock _mapLock = new();
    private readonly byte[] _header;
    private volatile bool _hasChanged;
    // Places up to the last one in use; the next block comes behind it.
    private uint _places;
    private readonly uint _maxPlaces;
    // What the file has behind the last block may hold anything.
    private readonly long _usedEnd;
    private int[] _parts = [];
    private byte[] _content = [];
    private BlockDeviceException? _failure;

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data)
    {
        DeviceRange.CheckWrite(this, offset, buffer.Length);
        BeginChange();
        while (!buffer.IsEmpty)
        {
            (long block, int inside, int part) = Locate(offset, buffer.Length);
            uint place = _map[block];
            if (place >= Zero)
            {
                place = Map(block);
            }

            _file.Write(buffer[..part], ContentOf(place) + inside, tag);
            buffer = buffer[part..];
            offset += part;
        }
    }

    /// <summary>Makes durable what was written, and only then the map that names the new blocks.</summary>
    public void Flush()
    {
        if (IsReadOnly)
        {
            return;
        }

        lock (_commitLock)
        {
            ThrowIfFailed();
            try
            {
                int count;
                uint places;
                lock (_mapLock)
                {
                    count = _map.TakeDirty(ref _parts, ref _content);
                    places = _places;
                }

                // VirtualBox puts a new block at the place that the header's count says: one that counts too few would have it
                // overwrite a block that is in use. One that counts too many wastes a place.
                if (VdiHeader.Allocated(_header) != places && _hasChanged)
                {
                    VdiHeader.SetAllocated(_header, places);
                    _file.Write(_header, 0, WriteTag.Superblock);
                }

                _file.Flush();
                if (count == 0)
                {
                    return;
                }

                for (int i = 0; i < count; i++)
                {
                    _map.Write(_file, _parts[i], _content.AsSpan(i * BlockMap.SectorSize, BlockMap.SectorSize));
                }

                _file.Flush();
            }
            catch (BlockDeviceException e)
            {
                // Nobody knows now what is durable, so there is no second try.
                Volatile.Write(ref _failure, e);
                throw;
            }
        }
    }

    /// <summary>Blocks keep their place in the file; the file gets holes there if it can.</summary>
    public void Discard(long offset, long length) => ForMapped(offset, length, static (file, at, part, _) => file.Discard(at, part), default);

    /// <inheritdoc/>
    public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data) =>
        ForMapped(offset, length, static (file, at, part, tag) => file.WriteZeroes(at, part, tag), tag);

    private void ForMapped(long offset, long length, Action<IGrowableDevice, long, long, WriteTag> action, WriteTag tag)
    {
        DeviceRange.CheckWrite(this, offset, length);
        BeginChange();
        while (length > 0)
        {
            (long block, int inside, int part) = Locate(offset, length);
            if (_map[block] is var place && place < Zero)
            {
                action(_file, ContentOf(place) + inside, part, tag);
            }

            offset += part;
            length -= part;
        }
    }

    private void BeginChange()
    {
        ThrowIfFailed();
        _hasChanged = true;
    }

    private uint Map(long block)
    {
        lock (_mapLock)
        {
            uint place = _map[block];
            if (place >= Zero)
            {
                place = Allocate();
                _map.Set(block, place);
            }

            return place;
        }
    }

    private uint Allocate()
    {
        if (_places >= _maxPlaces)
        {
            throw new BlockDeviceException(BlockDeviceError.NoSpace, "the VDI cannot get any larger");
        }

        long end = ContentOf(_places) + BlockSize, start = end - _stride;

        if (end > _file.Length)
        {
            _file.SetLength(end);
        }

        if (start < _usedEnd)
        {
            // A cut has left it behind.
            _file.WriteZeroes(start, Math.Min(end, _usedEnd) - start, WriteTag.Metadata);
        }

        return _places++;
    }

    private void ThrowIfFailed()
    {
        if (Volatile.Read(ref _failure) is { } failure)
        {
            throw new BlockDeviceException(failure.Error, failure.Message, failure);
        }
    }
}
