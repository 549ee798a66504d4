using WinLoop.Storage;

namespace WinLoop.Images.Vhdx;

/// <summary>Changes of the disk.</summary>
internal sealed partial class VhdxDisk
{
    private const int ZeroChunk = 64 * 1024;

    private static readonly byte[] s_zeroes = new byte[ZeroChunk];

    private readonly MetadataWriter? _writer;
    private readonly FileSpace? _space;

    /// <summary>Held while sectors that were the parent's are written; before the locks of the writer.</summary>
    private readonly Lock _copyLock = new();
    private byte[]? _edge;

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data)
    {
        DeviceRange.CheckWrite(this, offset, buffer.Length);
        if (buffer.IsEmpty)
        {
            return;
        }

        _writer!.BeginChange();
        while (!buffer.IsEmpty)
        {
            (long block, int inside, int part) = Locate(offset, buffer.Length);
            BatEntry entry = Map(block);
            if (entry.State == BlockState.FullyPresent)
            {
                part = Extend(block, entry, part, buffer.Length);
                _file.Write(buffer[..part], entry.Offset + inside, tag);
            }
            else
            {
                WritePartial(buffer[..part], offset, entry.Offset + inside, tag);
            }

            buffer = buffer[part..];
            offset += part;
        }
    }

    /// <inheritdoc/>
    public void Flush()
    {
        if (_writer is null)
        {
            return;
        }

        _writer.Commit();
    }

    /// <summary>Blocks keep their place in the file; the file gets holes there if it can.</summary>
    public void Discard(long offset, long length)
    {
        DeviceRange.CheckWrite(this, offset, length);
        if (length == 0)
        {
            return;
        }

        _writer!.BeginChange();
        while (length > 0)
        {
            (long block, int inside, int part) = Locate(offset, length);
            BatEntry entry = _table.Block(block);
            if (entry.State == BlockState.FullyPresent)
            {
                _file.Discard(entry.Offset + inside, part);
            }

            offset += part;
            length -= part;
        }
    }

    /// <inheritdoc/>
    public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data)
    {
        DeviceRange.CheckWrite(this, offset, length);
        if (length == 0)
        {
            return;
        }

        _writer!.BeginChange();
        while (length > 0)
        {
            (long block, int inside, int part) = Locate(offset, length);
            BatEntry entry = _table.Block(block);
            if (entry.State == BlockState.NotPresent && _parent is not null)
            {
                // Without this the parent would show through.
                bool isWhole = inside == 0 && (part == BlockSize || offset + part == Length);
                entry = isWhole ? MapAsZero(block) : Map(block);
            }

            if (entry.State == BlockState.FullyPresent)
            {
                _file.WriteZeroes(entry.Offset + inside, part, tag);
            }
            else if (entry.State == BlockState.PartiallyPresent)
            {
                for (int done = 0; done < part; done += ZeroChunk)
                {
                    WritePartial(s_zeroes.AsSpan(0, Math.Min(ZeroChunk, part - done)), offset + done, entry.Offset + inside + done, tag);
                }
            }

            offset += part;
            length -= part;
        }
    }

    /// <summary>The entry of a block that is in the file, making room for it if it is not yet.</summary>
    private BatEntry Map(long block)
    {
        BatEntry entry = _table.Block(block);
        while (!entry.IsInFile)
        {
            if (!TryMap(block, out entry))
            {
                _writer!.Commit();
            }
        }

        return entry;
    }

    /// <summary>One try; false: the metadata that waits for a commit leaves no room.</summary>
    private bool TryMap(long block, out BatEntry entry)
    {
        lock (_writer!.MapLock)
        {
            entry = _table.Block(block);
            if (entry.IsInFile)
            {
                return true;
            }

            bool isPartial = _parent is not null && entry.State == BlockState.NotPresent;
            long firstSector = block << (_blockShift - _sectorShift), sectors = 1L << (_blockShift - _sectorShift);
            // The block's entry, that of its bitmap, and the bits.
            if (!_writer.HasRoom(2 + (isPartial ? SectorBitmaps.PagesOf(firstSector, sectors) : 0)))
            {
                return false;
            }

            if (isPartial)
            {
                long bitmap = _table.EntryOfBitmap(_table.ChunkOf(block));
                if (_table[bitmap].State != BlockState.FullyPresent)
                {
                    _table.Set(bitmap, new BatEntry(BlockState.FullyPresent, _space!.Allocate(VhdxLayout.MiB)), _writer);
                }

                // The bits of a block that was not in the file may be anything.
                _bitmaps!.Fill(firstSector, sectors, isPresent: false, _writer);
            }

            entry = new BatEntry(isPartial ? BlockState.PartiallyPresent : BlockState.FullyPresent, _space!.Allocate(BlockSize));
            _table.Set(_table.EntryOfBlock(block), entry, _writer);
            return true;
        }
    }

    private BatEntry MapAsZero(long block)
    {
        while (true)
        {
            lock (_writer!.MapLock)
            {
                BatEntry entry = _table.Block(block);
                if (entry.State != BlockState.NotPresent)
                {
                    return entry;
                }

                if (_writer.HasRoom(1))
                {
                    entry = new BatEntry(BlockState.Zero, 0);
                    _table.Set(_table.EntryOfBlock(block), entry, _writer);
                    return entry;
                }
            }

            _writer.Commit();
        }
    }

    /// <summary>Writes into a block of which other sectors may be the parent's.</summary>
    private void WritePartial(ReadOnlySpan<byte> buffer, long offset, long fileOffset, WriteTag tag)
    {
        long first = offset >> _sectorShift, last = (offset + buffer.Length - 1) >> _sectorShift;
        if (AreAllPresent(first, last))
        {
            _file.Write(buffer, fileOffset, tag);
            return;
        }

        // Two writes into one sector that is still the parent's must not both bring the rest of it along.
        lock (_copyLock)
        {
            long fileBase = fileOffset - offset; // of the block, as if the disk began there
            if ((offset & (SectorSize - 1)) != 0)
            {
                CopyUp(first, fileBase, tag);
            }

            if (((offset + buffer.Length) & (SectorSize - 1)) != 0)
            {
                CopyUp(last, fileBase, tag);
            }

            _file.Write(buffer, fileOffset, tag);
            SetPresent(first, last);
        }
    }

    private bool AreAllPresent(long first, long last) =>
        _bitmaps!.RunLength(first, last - first + 1, out bool isPresent) == last - first + 1 && isPresent;

    /// <summary>Brings the parent's content of a sector into the file, if it is not there yet. Its bit is set later.</summary>
    private void CopyUp(long sector, long fileBase, WriteTag tag)
    {
        _bitmaps!.RunLength(sector, 1, out bool isPresent);
        if (!isPresent)
        {
            _edge ??= new byte[SectorSize];
            ReadParent(_edge, sector << _sectorShift);
            _file.Write(_edge, fileBase + (sector << _sectorShift), tag);
        }
    }

    private void SetPresent(long first, long last)
    {
        long count = last - first + 1;
        while (true)
        {
            lock (_writer!.MapLock)
            {
                if (_writer.HasRoom(SectorBitmaps.PagesOf(first, count)))
                {
                    _bitmaps!.Fill(first, count, isPresent: true, _writer);
                    return;
                }
            }

            _writer.Commit();
        }
    }
}
