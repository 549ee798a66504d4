using System.Numerics;
using WinLoop.Storage;

namespace WinLoop.Images.Vhd;

/// <summary>
/// The disk in a dynamic VHD. There is no log: a new block is durable before the table names it, and the table is
/// changed in whole sectors, so that at every moment a block is there or it is not.
/// </summary>
/// <remarks>Locks: the commit lock, then the map lock. Blocks that are in the file are read and written without one.</remarks>
internal sealed partial class VhdDynamicDisk : IBlockDevice
{
    private readonly IGrowableDevice _file;
    private readonly BlockMap _table;
    private readonly int _blockShift;
    private readonly int _bitmapSize;
    private bool _isDisposed;
    private volatile bool _isAbandoned;

    private VhdDynamicDisk(IGrowableDevice file, BlockMap table, int blockSize, long length, byte[] footer, bool hasEndFooter, long end, bool isReadOnly)
    {
        _file = file;
        _table = table;
        _blockShift = BitOperations.Log2((uint)blockSize);
        _bitmapSize = BitmapSize(blockSize);
        _footer = footer;
        _hasEndFooter = hasEndFooter;
        _end = end;
        _usedEnd = file.Length;
        _isMarked = new ulong[(table.Count / 64) + 1];
        Length = length;
        IsReadOnly = isReadOnly;
    }

    /// <inheritdoc/>
    public long Length { get; }

    /// <inheritdoc/>
    public bool IsReadOnly { get; }

    /// <inheritdoc/>
    public int SectorSize => 512;

    private int BlockSize => 1 << _blockShift;

    /// <summary>Reads the tables and checks that no two structures overlap.</summary>
    public static VhdDynamicDisk Open(IGrowableDevice file, VhdFooter footer, byte[] footerBytes, bool hasEndFooter, bool isReadOnly)
    {
        VhdDynamicHeader header = VhdDynamicHeader.Read(file, footer);
        long size = (long)footer.CurrentSize;
        int count = (int)((size + header.BlockSize - 1) / header.BlockSize);
        BlockMap table = BlockMap.Read(file, header.TableOffset, count, isBigEndian: true);
        long end = VhdLayoutCheck.FindEnd(file, footer, header, table, hasEndFooter);
        return new VhdDynamicDisk(file, table, header.BlockSize, size, footerBytes, hasEndFooter, end, isReadOnly);
    }

    /// <summary>Bytes of the bitmap that a block begins with: a bit for each sector, whole sectors.</summary>
    public static int BitmapSize(int blockSize) => Math.Max(VhdFooter.Size, blockSize / 512 / 8);

    /// <inheritdoc/>
    public void Read(Span<byte> buffer, long offset)
    {
        DeviceRange.Check(this, offset, buffer.Length);
        while (!buffer.IsEmpty)
        {
            (long block, int inside, int part) = Locate(offset, buffer.Length);
            uint sector = _table[block];
            if (sector == BlockMap.Unused)
            {
                buffer[..part].Clear();
            }
            else
            {
                _file.Read(buffer[..part], ContentOf(sector) + inside);
            }

            buffer = buffer[part..];
            offset += part;
        }
    }

    /// <inheritdoc/>
    public void Prefetch(long offset, long length)
    {
        DeviceRange.Check(this, offset, length);
        while (length > 0)
        {
            (long block, int inside, int part) = Locate(offset, length);
            if (_table[block] is var sector && sector != BlockMap.Unused)
            {
                _file.Prefetch(ContentOf(sector) + inside, part);
            }

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
            (long block, _, int part) = Locate(offset + found, length - found);
            if (_table[block] != BlockMap.Unused)
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
    public void Forget(long offset, long length)
    {
        DeviceRange.Check(this, offset, length);
        while (length > 0)
        {
            (long block, int inside, int part) = Locate(offset, length);
            if (_table[block] is var sector && sector != BlockMap.Unused)
            {
                _file.Forget(ContentOf(sector) + inside, part);
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

    private long ContentOf(uint sector) => (sector * 512L) + _bitmapSize;
}
