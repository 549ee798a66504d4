using System.Numerics;
using WinLoop.Storage;

namespace WinLoop.Images.Vhdx;

/// <summary>
/// The disk in a VHDX. A block that is in the file is read and written there directly, without a lock and without memory;
/// changes of the mapping go through <see cref="MetadataWriter"/>.
/// </summary>
internal sealed partial class VhdxDisk : IBlockDevice
{
    private readonly IBlockDevice _file;
    private readonly BlockTable _table;
    private readonly SectorBitmaps? _bitmaps;
    private readonly IBlockDevice? _parent;
    private readonly int _blockShift;
    private readonly int _sectorShift;
    private readonly Guid _openedDataWriteGuid;
    private bool _isDisposed;
    private volatile bool _isAbandoned;

    public VhdxDisk(
        IBlockDevice file, VhdxMetadata metadata, BlockTable table, Guid dataWriteGuid, IBlockDevice? parent,
        MetadataWriter? writer, FileSpace? space)
    {
        _file = file;
        _table = table;
        _parent = parent;
        _writer = writer;
        _space = space;
        _openedDataWriteGuid = dataWriteGuid;
        _blockShift = BitOperations.Log2((uint)metadata.BlockSize);
        _sectorShift = BitOperations.Log2((uint)metadata.LogicalSectorSize);
        _bitmaps = parent is null ? null : new SectorBitmaps(file, table);
        Length = metadata.DiskSize;
        SectorSize = metadata.LogicalSectorSize;
    }

    /// <inheritdoc/>
    public long Length { get; }

    /// <inheritdoc/>
    public bool IsReadOnly => _writer is null;

    /// <summary>The disk's logical sectors, in which partition tables count.</summary>
    public int SectorSize { get; }

    /// <summary>Which content the disk has; changes with the first write.</summary>
    public Guid DataWriteGuid => _writer?.Header.DataWriteGuid ?? _openedDataWriteGuid;

    private int BlockSize => 1 << _blockShift;

    /// <inheritdoc/>
    public void Read(Span<byte> buffer, long offset)
    {
        DeviceRange.Check(this, offset, buffer.Length);
        while (!buffer.IsEmpty)
        {
            (long block, int inside, int part) = Locate(offset, buffer.Length);
            BatEntry entry = _table.Block(block);
            switch (entry.State)
            {
                case BlockState.FullyPresent:
                    part = Extend(block, entry, part, buffer.Length);
                    _file.Read(buffer[..part], entry.Offset + inside);
                    break;
                case BlockState.PartiallyPresent:
                    ReadPartial(buffer[..part], offset, entry.Offset + inside);
                    break;
                case BlockState.NotPresent when _parent is not null:
                    ReadParent(buffer[..part], offset);
                    break;
                default:
                    buffer[..part].Clear();
                    break;
            }

            buffer = buffer[part..];
            offset += part;
        }
    }

    /// <inheritdoc/>
    public long ZeroRun(long offset, long length)
    {
        DeviceRange.Check(this, offset, length);
        long found = 0;
        while (found < length)
        {
            (long block, _, int part) = Locate(offset + found, length - found);
            BlockState state = _table.Block(block).State;
            if (state is BlockState.FullyPresent or BlockState.PartiallyPresent || (state == BlockState.NotPresent && _parent is not null))
            {
                break;
            }

            found += part;
        }

        return found;
    }

    /// <inheritdoc/>
    public void Prefetch(long offset, long length)
    {
        DeviceRange.Check(this, offset, length);
        while (length > 0)
        {
            (long block, int inside, int part) = Locate(offset, length);
            BatEntry entry = _table.Block(block);
            if (entry.State == BlockState.FullyPresent)
            {
                _file.Prefetch(entry.Offset + inside, part);
            }
            else if (entry.State == BlockState.NotPresent && _parent is not null && offset < _parent.Length)
            {
                _parent.Prefetch(offset, Math.Min(part, _parent.Length - offset));
            }

            offset += part;
            length -= part;
        }
    }

    /// <inheritdoc/>
    public void Abandon() => _isAbandoned = true;

    /// <inheritdoc/>
    public void Forget(long offset, long length)
    {
        DeviceRange.Check(this, offset, length);
        while (length > 0)
        {
            (long block, int inside, int part) = Locate(offset, length);
            BatEntry entry = _table.Block(block);
            if (entry.State is BlockState.FullyPresent or BlockState.PartiallyPresent)
            {
                _file.Forget(entry.Offset + inside, part);
            }

            offset += part;
            length -= part;
        }
    }

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
            if (!_isAbandoned)
            {
                _writer?.Close();
            }
        }
        catch (BlockDeviceException)
        {
            // Nothing that a flush has promised is lost: the log stays, and the next opening replays it.
        }

        _parent?.Dispose();
        _file.Dispose();
    }

    private (long Block, int Inside, int Part) Locate(long offset, long length)
    {
        int inside = (int)(offset & (BlockSize - 1));
        return (offset >> _blockShift, inside, (int)Math.Min(BlockSize - inside, length));
    }

    /// <summary>Takes blocks that follow each other in the file as well into one transfer.</summary>
    private int Extend(long block, BatEntry entry, int part, int length)
    {
        long next = entry.Offset;
        while (part < length)
        {
            next += BlockSize;
            block++;
            if (_table.Block(block) != new BatEntry(BlockState.FullyPresent, next))
            {
                break;
            }

            part += Math.Min(BlockSize, length - part);
        }

        return part;
    }

    private void ReadPartial(Span<byte> buffer, long offset, long fileOffset)
    {
        while (!buffer.IsEmpty)
        {
            long sector = offset >> _sectorShift;
            long last = (offset + buffer.Length - 1) >> _sectorShift;
            long run = _bitmaps!.RunLength(sector, last - sector + 1, out bool isPresent);
            int part = (int)Math.Min(((sector + run) << _sectorShift) - offset, buffer.Length);
            if (isPresent)
            {
                _file.Read(buffer[..part], fileOffset);
            }
            else
            {
                ReadParent(buffer[..part], offset);
            }

            buffer = buffer[part..];
            offset += part;
            fileOffset += part;
        }
    }

    /// <summary>Reads from the parent, which may be smaller; behind its end there are zeroes.</summary>
    private void ReadParent(Span<byte> buffer, long offset)
    {
        int inside = (int)Math.Clamp(_parent!.Length - offset, 0, buffer.Length);
        if (inside > 0)
        {
            _parent.Read(buffer[..inside], offset);
        }

        buffer[inside..].Clear();
    }
}
