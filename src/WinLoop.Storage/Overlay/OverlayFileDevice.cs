using WinLoop.Storage.Overlay;

namespace WinLoop.Storage;

/// <summary>
/// Copy-on-write into a file: the base is only read, what is written goes into an overlay file, which can be opened again
/// over the same base. <see cref="Flush"/> is a barrier over a power cut: what was written before it is there afterwards.
/// </summary>
/// <remarks>
/// The first write to a block puts the whole block into the overlay file, later ones go straight there. The map is written
/// at a flush only: first the content is made durable, then the map sectors that name it, then these. A cut before leaves
/// the blocks in the base, as if they had not been written.
/// A part of the base is 1 MiB large for the locks: two first writes to different parts run side by side.
/// </remarks>
public sealed class OverlayFileDevice : IBlockDevice
{
    private const int BlockSize = OverlayLayout.BlockSize;
    private const int BlocksPerPart = (1 << 20) / BlockSize;
    private const int PartLocks = 64;

    /// <summary>Blocks that are looked at before something is done with them, so that a huge range is not looked at often.</summary>
    private const int MaxRun = 4096;

    [ThreadStatic]
    private static byte[]? t_bounce;

    private readonly IBlockDevice _base;
    private readonly IBlockDevice _file;
    private readonly OverlayLayout _layout;
    private readonly OverlayMap _map;
    private readonly Lock _flushGate = new();
    private readonly Lock[] _parts = new Lock[PartLocks];

    internal OverlayFileDevice(IBlockDevice baseDevice, IBlockDevice file, OverlayHeader header, OverlayMap map)
    {
        _base = baseDevice;
        _file = file;
        _layout = new OverlayLayout(header.Base.Length);
        _map = map;
        for (int i = 0; i < PartLocks; i++)
        {
            _parts[i] = new Lock();
        }
    }

    /// <inheritdoc/>
    public long Length => _layout.BaseLength;

    /// <summary>True if the overlay file was opened for reading only.</summary>
    public bool IsReadOnly => _file.IsReadOnly;

    /// <inheritdoc/>
    public int SectorSize => _base.SectorSize;

    /// <summary>Bytes of the base that are replaced by content in the overlay file.</summary>
    public long ChangedBytes => _map.BlocksInOverlay * BlockSize;

    internal OverlayMap Map => _map;

    /// <inheritdoc/>
    public void Read(Span<byte> buffer, long offset)
    {
        DeviceRange.Check(this, offset, buffer.Length);
        while (!buffer.IsEmpty)
        {
            int part = (int)Run(offset, buffer.Length, out BlockPlace place);
            ReadFrom(place, buffer[..part], offset);
            buffer = buffer[part..];
            offset += part;
        }
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data)
    {
        DeviceRange.CheckWrite(this, offset, buffer.Length);
        while (!buffer.IsEmpty)
        {
            int part = (int)Run(offset, buffer.Length, out BlockPlace place);
            if (place == BlockPlace.Overlay)
            {
                _file.Write(buffer[..part], _layout.ContentOffset + offset, tag);
            }
            else
            {
                part = WriteFirst(buffer[..part], offset, tag);
            }

            buffer = buffer[part..];
            offset += part;
        }
    }

    /// <summary>Makes everything durable whose write has returned.</summary>
    public void Flush()
    {
        if (IsReadOnly)
        {
            return;
        }

        lock (_flushGate)
        {
            List<(int Sector, byte[] Content)> sectors = _map.TakeDirty();
            try
            {
                _file.Flush();
                WriteMap(sectors);
                if (sectors.Count > 0)
                {
                    _file.Flush();
                }
            }
            catch
            {
                _map.GiveBack(sectors);
                throw;
            }
        }
    }

    /// <summary>Gives back the storage of what is in the overlay file; for the base there is nothing to give.</summary>
    public void Discard(long offset, long length)
    {
        DeviceRange.CheckWrite(this, offset, length);
        while (length > 0)
        {
            long part = Run(offset, length, out BlockPlace place);
            if (place == BlockPlace.Overlay)
            {
                _file.Discard(_layout.ContentOffset + offset, part);
            }

            offset += part;
            length -= part;
        }
    }

    /// <inheritdoc/>
    public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data)
    {
        DeviceRange.CheckWrite(this, offset, length);
        while (length > 0)
        {
            long part = Run(offset, length, out BlockPlace place);
            if (place == BlockPlace.Overlay)
            {
                _file.WriteZeroes(_layout.ContentOffset + offset, part, tag);
            }
            else if (place == BlockPlace.Base)
            {
                part = ZeroFirst(offset, part, tag);
            }

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
            long part = Run(offset, length, out BlockPlace place);
            if (place == BlockPlace.Base)
            {
                _base.Prefetch(offset, part);
            }
            else if (place == BlockPlace.Overlay)
            {
                _file.Prefetch(_layout.ContentOffset + offset, part);
            }

            offset += part;
            length -= part;
        }
    }

    /// <summary>Closes the overlay file and the base; does not flush.</summary>
    public void Dispose()
    {
        _file.Dispose();
        _base.Dispose();
    }

    /// <summary>How many bytes from an offset on are in one place.</summary>
    private long Run(long offset, long length, out BlockPlace place)
    {
        long first = offset / BlockSize;
        long run = _map.RunOf(first, Math.Min(((offset + length - 1) / BlockSize) + 1, first + MaxRun), out place);
        return Math.Min(length, ((first + run) * BlockSize) - offset);
    }

    private void ReadFrom(BlockPlace place, Span<byte> buffer, long offset)
    {
        switch (place)
        {
            case BlockPlace.Base:
                _base.Read(buffer, offset);
                break;
            case BlockPlace.Overlay:
                _file.Read(buffer, _layout.ContentOffset + offset);
                break;
            default:
                buffer.Clear();
                break;
        }
    }

    /// <summary>Writes to blocks that were not in the overlay a moment ago: at most to the end of their part, and as far as
    /// they are alike.</summary>
    /// <returns>Bytes written; 0 if another thread was faster.</returns>
    private int WriteFirst(ReadOnlySpan<byte> buffer, long offset, WriteTag tag)
    {
        long block = offset / BlockSize;
        int inside = (int)(offset % BlockSize);
        lock (PartOf(block))
        {
            long end = Math.Min(EndOfPart(block), ((offset + buffer.Length - 1) / BlockSize) + 1);
            long run = _map.RunOf(block, end, out BlockPlace place);
            if (place == BlockPlace.Overlay)
            {
                return 0;
            }

            int length = (int)Math.Min(buffer.Length, (run * BlockSize) - inside);
            long whole = inside == 0 ? WholeBlocks(block, length) : 0;
            if (whole > 0)
            {
                length = (int)Math.Min(length, whole * BlockSize);
                _file.Write(buffer[..length], _layout.ContentOffset + offset, tag);
                _map.Set(block, whole, BlockPlace.Overlay);
                return length;
            }

            length = Math.Min(length, BlockSize - inside);
            PutPart(block, inside, buffer[..length], place, tag);
            return length;
        }
    }

    /// <summary>Zeroes blocks that were in the base a moment ago: whole ones by the map alone.</summary>
    /// <returns>Bytes zeroed; 0 if another thread was faster.</returns>
    private long ZeroFirst(long offset, long length, WriteTag tag)
    {
        long block = offset / BlockSize;
        int inside = (int)(offset % BlockSize);
        lock (PartOf(block))
        {
            long end = Math.Min(EndOfPart(block), ((offset + length - 1) / BlockSize) + 1);
            long run = _map.RunOf(block, end, out BlockPlace place);
            if (place != BlockPlace.Base)
            {
                return 0;
            }

            length = Math.Min(length, (run * BlockSize) - inside);
            long whole = inside == 0 ? WholeBlocks(block, length) : 0;
            if (whole > 0)
            {
                _map.Set(block, whole, BlockPlace.Zero);
                return Math.Min(length, whole * BlockSize);
            }

            length = Math.Min(length, BlockSize - inside);
            Span<byte> zeroes = stackalloc byte[BlockSize];
            zeroes.Clear();
            PutPart(block, inside, zeroes[..(int)length], place, tag);
            return length;
        }
    }

    /// <summary>How many blocks a length covers from the beginning of one; the last block of the base may be short.</summary>
    private long WholeBlocks(long block, long length)
    {
        long whole = length / BlockSize;
        return length % BlockSize != 0 && block + whole == _layout.Blocks - 1 && length % BlockSize == _layout.LengthOf(block + whole) ? whole + 1 : whole;
    }

    /// <summary>Puts a block into the overlay file, with a part of it new.</summary>
    private void PutPart(long block, int inside, ReadOnlySpan<byte> part, BlockPlace old, WriteTag tag)
    {
        Span<byte> content = t_bounce ??= GC.AllocateArray<byte>(BlockSize, pinned: true);
        content.Clear();
        if (old == BlockPlace.Base)
        {
            _base.Read(content[.._layout.LengthOf(block)], block * BlockSize);
        }

        part.CopyTo(content[inside..]);
        _file.Write(content, _layout.ContentOffset + (block * BlockSize), tag);
        _map.Set(block, 1, BlockPlace.Overlay);
    }

    /// <summary>Writes map sectors, neighbours together.</summary>
    private void WriteMap(List<(int Sector, byte[] Content)> sectors)
    {
        for (int i = 0; i < sectors.Count;)
        {
            int count = 1;
            while (i + count < sectors.Count && sectors[i + count].Sector == sectors[i].Sector + count)
            {
                count++;
            }

            byte[] content = count == 1 ? sectors[i].Content : [.. sectors.Skip(i).Take(count).SelectMany(s => s.Content)];
            _file.Write(content, OverlayLayout.MapOffset + ((long)sectors[i].Sector * OverlayLayout.SectorSize), WriteTag.Metadata);
            i += count;
        }
    }

    private Lock PartOf(long block) => _parts[(int)(block / BlocksPerPart % PartLocks)];

    private static long EndOfPart(long block) => ((block / BlocksPerPart) + 1) * BlocksPerPart;
}
