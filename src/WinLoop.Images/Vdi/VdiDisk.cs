using System.Numerics;
using WinLoop.Storage;

namespace WinLoop.Images.Vdi;

/// <summary>
/// The disk in a VDI. There is no log: a new block, and the header that counts it, are durable before the map names the
/// block, and the map is changed in whole sectors, so that at every moment a block is there or it is not.
/// </summary>
/// <remarks>Locks: the commit lock, then the map lock. Blocks that are in the file are read and written without one.</remarks>
internal sealed partial class VdiDisk : IBlockDevice
{
    /// <summary>The entry of a block that reads as zeroes; <see cref="BlockMap.Unused"/> does too.</summary>
    public const uint Zero = uint.MaxValue - 1;

    private readonly IGrowableDevice _file;
    private readonly BlockMap _map;
    private readonly int _blockShift;
    private readonly long _dataOffset;
    private readonly long _stride;
    private bool _isDisposed;
    private volatile bool _isAbandoned;

    /// <param name="file">The file; the disk owns it.</param>
    /// <param name="header">Its header.</param>
    /// <param name="headerBytes">The header's bytes.</param>
    /// <param name="map">Where the blocks are; checked.</param>
    /// <param name="places">Places up to the last one in use.</param>
    /// <param name="isReadOnly">Nothing is written.</param>
    public VdiDisk(IGrowableDevice file, VdiHeader header, byte[] headerBytes, BlockMap map, uint places, bool isReadOnly)
    {
        _file = file;
        _map = map;
        _header = headerBytes;
        _places = places;
        _maxPlaces = header.MaxPlaces;
        _usedEnd = file.Length;
        _blockShift = BitOperations.Log2((uint)header.BlockSize);
        _stride = header.BlockExtra + (long)header.BlockSize;
        _dataOffset = header.DataOffset + header.BlockExtra;
        Length = header.DiskSize;
        IsReadOnly = isReadOnly;
    }

    /// <inheritdoc/>
    public long Length { get; }

    /// <inheritdoc/>
    public bool IsReadOnly { get; }

    /// <inheritdoc/>
    public int SectorSize => BlockMap.SectorSize;

    private int BlockSize => 1 << _blockShift;

    /// <inheritdoc/>
    public void Read(Span<byte> buffer, long offset)
    {
        DeviceRange.Check(this, offset, buffer.Length);
        while (!buffer.IsEmpty)
        {
            (long block, int inside, int part) = Locate(offset, buffer.Length);
            uint place = _map[block];
            if (place >= Zero)
            {
                buffer[..part].Clear();
            }
            else
            {
                _file.Read(buffer[..part], ContentOf(place) + inside);
            }

            buffer = buffer[part..];
            offset += part;
        }
    }

    /// <inheritdoc/>
    public void Prefetch(long offset, long length)
    {
        DeviceRange.Check(this, offset, length);
        for (long end = offset + length; offset < end;)
        {
            (long block, int inside, int part) = Locate(offset, end - offset);
            if (_map[block] is var place && place < Zero)
            {
                _file.Prefetch(ContentOf(place) + inside, part);
            }

            offset += part;
        }
    }

    /// <inheritdoc/>
    public void Forget(long offset, long length)
    {
        DeviceRange.Check(this, offset, length);
        for (long end = offset + length; offset < end;)
        {
            (long block, int inside, int part) = Locate(offset, end - offset);
            if (_map[block] is var place && place < Zero)
            {
                _file.Forget(ContentOf(place) + inside, part);
            }

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
            if (_map[block] < Zero)
            {
                break;
            }

            found += part;
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
            if (_hasChanged && !_isAbandoned)
            {
                Flush();
            }
        }
        catch (BlockDeviceException)
        {
            // Nothing that a flush has promised is lost.
        }

        _file.Dispose();
    }

    private (long Block, int Inside, int Part) Locate(long offset, long length)
    {
        int inside = (int)(offset & (BlockSize - 1));
        return (offset >> _blockShift, inside, (int)Math.Min(BlockSize - inside, length));
    }

    private long ContentOf(uint place) => _dataOffset + (place * _stride);
}
