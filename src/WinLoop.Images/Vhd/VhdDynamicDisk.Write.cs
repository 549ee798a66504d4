using WinLoop.Storage;

namespace WinLoop.Images.Vhd;

/// <summary>Changes of the disk.</summary>
internal sealed partial class VhdDynamicDisk
{
    private readonly Lock _commitLock = new();
    private readonly Lock _mapLock = new();
    private readonly byte[] _footer;
    // A bit for each block whose bitmap is known to be all ones.
    private readonly ulong[] _isMarked;
    private volatile bool _hasChanged;
    private bool _hasEndFooter;
    private long _end;
    // What the file has behind its last structure may hold anything.
    private long _usedEnd;
    private int[] _parts = [];
    private byte[] _content = [];
    private byte[]? _ones;
    private BlockDeviceException? _failure;

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data)
    {
        DeviceRange.CheckWrite(this, offset, buffer.Length);
        if (buffer.IsEmpty)
        {
            return;
        }

        BeginChange();
        while (!buffer.IsEmpty)
        {
            (long block, int inside, int part) = Locate(offset, buffer.Length);
            uint sector = _table[block];
            if (sector == BlockMap.Unused || !IsMarked(block))
            {
                sector = Map(block);
            }

            _file.Write(buffer[..part], ContentOf(sector) + inside, tag);
            buffer = buffer[part..];
            offset += part;
        }
    }

    /// <summary>Makes durable what was written, and only then the table that names the new blocks.</summary>
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
                lock (_mapLock)
                {
                    count = _table.TakeDirty(ref _parts, ref _content);
                }

                _file.Flush();
                if (count == 0)
                {
                    return;
                }

                for (int i = 0; i < count; i++)
                {
                    _table.Write(_file, _parts[i], _content.AsSpan(i * VhdFooter.Size, VhdFooter.Size));
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
        if (length == 0)
        {
            return;
        }

        BeginChange();
        while (length > 0)
        {
            (long block, int inside, int part) = Locate(offset, length);
            if (_table[block] is var sector && sector != BlockMap.Unused)
            {
                action(_file, ContentOf(sector) + inside, part, tag);
            }

            offset += part;
            length -= part;
        }
    }

    /// <summary>Before the first change: both footers are there, because a new block takes the place of the last one.</summary>
    private void BeginChange()
    {
        ThrowIfFailed();
        if (_hasChanged)
        {
            return;
        }

        lock (_commitLock)
        {
            if (_hasChanged)
            {
                return;
            }

            byte[] first = new byte[VhdFooter.Size];
            _file.Read(first, 0);
            bool isFirst = first.AsSpan().SequenceEqual(_footer);
            if (!isFirst)
            {
                _file.Write(_footer, 0, WriteTag.Superblock);
            }

            if (!_hasEndFooter)
            {
                // A block was being added when the power went. What is behind the last one belongs to nobody.
                _file.SetLength(_end + VhdFooter.Size);
                _file.Write(_footer, _end, WriteTag.Superblock);
                _usedEnd = _file.Length;
                _hasEndFooter = true;
            }

            if (!isFirst)
            {
                _file.Flush();
            }

            _hasChanged = true;
        }
    }

    private bool IsMarked(long block) => (Volatile.Read(ref _isMarked[block >> 6]) >> (int)(block & 63) & 1) != 0;

    /// <summary>The place of a block, made if it has none yet, with a bitmap that says that all its sectors are in use.</summary>
    private uint Map(long block)
    {
        lock (_mapLock)
        {
            uint sector = _table[block];
            if (IsMarked(block))
            {
                return sector;
            }

            _ones ??= [.. Enumerable.Repeat((byte)0xFF, _bitmapSize)];
            if (sector == BlockMap.Unused)
            {
                sector = Allocate();
                _table.Set(block, sector);
            }
            else
            {
                MarkSectors(sector);
            }

            ref ulong word = ref _isMarked[block >> 6];
            Volatile.Write(ref word, word | (1UL << (int)(block & 63)));
            return sector;
        }
    }

    /// <summary>Other writers set the bits of the sectors that were written only. The others are zeroes in all files that
    /// are known, and are read as what they are.</summary>
    private void MarkSectors(uint sector)
    {
        byte[] bitmap = new byte[_bitmapSize];
        _file.Read(bitmap, sector * 512L);
        if (bitmap.AsSpan().ContainsAnyExcept((byte)0xFF))
        {
            _file.Write(_ones, sector * 512L, WriteTag.Metadata);
        }
    }

    private uint Allocate()
    {
        long start = _end, end = start + _bitmapSize + BlockSize;
        if (start / 512 >= BlockMap.Unused)
        {
            throw new BlockDeviceException(BlockDeviceError.NoSpace, "the VHD cannot get any larger");
        }

        if (end + VhdFooter.Size > _file.Length)
        {
            _file.SetLength(end + VhdFooter.Size);
        }

        if (end + VhdFooter.Size == _file.Length)
        {
            _file.Write(_footer, end, WriteTag.Superblock);
        }

        if (start < _usedEnd)
        {
            long dirtyEnd = Math.Min(end, _usedEnd);
            _file.WriteZeroes(start, dirtyEnd - start, WriteTag.Metadata);
        }

        _file.Write(_ones, start, WriteTag.Metadata); // over the footer that was the last one
        _end = end;
        return (uint)(start / 512);
    }

    private void ThrowIfFailed()
    {
        if (Volatile.Read(ref _failure) is { } failure)
        {
            throw new BlockDeviceException(failure.Error, failure.Message, failure);
        }
    }
}
