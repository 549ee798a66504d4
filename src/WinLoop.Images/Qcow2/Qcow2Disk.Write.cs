using WinLoop.Storage;

namespace WinLoop.Images.Qcow2;

/// <summary>Changes of the disk.</summary>
internal sealed partial class Qcow2Disk
{
    private readonly Qcow2Writer? _writer;
    // A cluster on its way to another place. Under the map lock.
    private byte[]? _copy;

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
            (long cluster, int inside, int part) = Locate(offset, buffer.Length);
            L2Entry entry = Lookup(cluster);
            if (entry.IsInPlace)
            {
                part = ExtendInPlace(cluster, entry, part, buffer.Length);
                _file.Write(buffer[..part], entry.Offset + inside, tag);
            }
            else if (!MapAndWrite(cluster, IsWhole(offset, inside, part) ? buffer[..part] : default, tag))
            {
                continue; // it is in its place now, and the content is written there
            }

            buffer = buffer[part..];
            offset += part;
        }
    }

    /// <inheritdoc/>
    public void Flush() => _writer?.Commit();

    /// <summary>Clusters keep their place in the file; the file gets holes there if it can.</summary>
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
            (long cluster, int inside, int part) = Locate(offset, length);
            if (Lookup(cluster) is { IsInPlace: true } entry)
            {
                CheckPlace(cluster, entry.Offset);
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
            (long cluster, int inside, int part) = Locate(offset, length);
            L2Entry entry = Lookup(cluster);
            if (entry.IsInPlace)
            {
                CheckPlace(cluster, entry.Offset);
                _file.WriteZeroes(entry.Offset + inside, part, tag);
            }
            else if (!IsZero(entry, offset))
            {
                if (!IsWhole(offset, inside, part) || !TryMapAsZero(cluster))
                {
                    MapAndWrite(cluster, default, tag);
                    continue; // it is in its place now
                }
            }

            offset += part;
            length -= part;
        }
    }

    /// <summary>Whether a cluster reads as zeroes from here on, without a look at its content.</summary>
    private bool IsZero(L2Entry entry, long offset) =>
        entry.Kind == ClusterKind.Zero || (entry.Kind == ClusterKind.Unallocated && (_backing is null || offset >= _backing.Length));

    /// <summary>Whether a request has all of a cluster; the disk's last one may be short.</summary>
    private bool IsWhole(long offset, int inside, int part) => inside == 0 && (part == ClusterSize || offset + part == Length);

    private int ExtendInPlace(long cluster, L2Entry entry, int part, int length)
    {
        CheckPlace(cluster, entry.Offset);
        long next = entry.Offset;
        while (part < length)
        {
            next += ClusterSize;
            cluster++;
            L2Entry other = Lookup(cluster);
            if (!other.IsInPlace || other.Offset != next)
            {
                break;
            }

            CheckPlace(cluster, next);
            part += Math.Min(ClusterSize, length - part);
        }

        return part;
    }

    /// <summary>A file may say that a cluster of the disk lies where a table is.</summary>
    private void CheckPlace(long cluster, long offset)
    {
        if (_writer!.Tables.Contains(offset >> _clusterBits))
        {
            throw Qcow2Error.DamagedInUse($"cluster {cluster} of the disk is at {offset}, where the file has a table");
        }

        if (offset > _file.Length - ClusterSize)
        {
            throw Qcow2Error.DamagedInUse($"cluster {cluster} of the disk is at {offset}, past the end of the file ({_file.Length} bytes)");
        }
    }

    /// <summary>Gives a cluster a place of its own, with its old content, or with a new one if that is all of it.</summary>
    /// <returns>Whether the new content is written; otherwise it is to be written in place.</returns>
    private bool MapAndWrite(long cluster, ReadOnlySpan<byte> whole, WriteTag tag)
    {
        while (true)
        {
            ChangeResult result;
            bool isWritten;
            lock (_writer!.MapLock)
            {
                result = TryMap(cluster, whole, tag, out isWritten);
            }

            if (result == ChangeResult.Done)
            {
                return isWritten;
            }

            MakeRoom(result);
        }
    }

    /// <summary>Makes a whole cluster zero by its entry alone.</summary>
    /// <returns>False: the version has no entry for that.</returns>
    private bool TryMapAsZero(long cluster)
    {
        if (!_hasZeroClusters && _backing is not null)
        {
            return false;
        }

        while (true)
        {
            ChangeResult result;
            lock (_writer!.MapLock)
            {
                L2Entry entry = Lookup(cluster);
                if (entry.IsInPlace)
                {
                    return false; // another thread's
                }

                result = TryHoldEntry(cluster, out MetadataPage? page, out int index);
                if (result == ChangeResult.Done)
                {
                    page![index] = _hasZeroClusters ? L2Entry.ZeroFlag : 0;
                    DropOld(entry);
                    return true;
                }
            }

            MakeRoom(result);
        }
    }

    private void MakeRoom(ChangeResult result)
    {
        if (result == ChangeResult.NeedsTable)
        {
            _writer!.GrowTable();
        }
        else
        {
            _writer!.Commit();
        }
    }

    private ChangeResult TryMap(long cluster, ReadOnlySpan<byte> whole, WriteTag tag, out bool isWritten)
    {
        isWritten = false;
        L2Entry entry = Lookup(cluster);
        if (entry.IsInPlace)
        {
            return ChangeResult.Done;
        }

        ChangeResult result = TryHoldEntry(cluster, out MetadataPage? page, out int index);
        if (result != ChangeResult.Done)
        {
            return result;
        }

        // A cluster that is there and that nobody else refers to can stay: one that is kept for zeroes, one without the flag.
        if (entry.Kind is ClusterKind.Zero or ClusterKind.Data && entry.Offset != 0 && _writer!.Refcounts.Get(entry.Offset >> _clusterBits) == 1)
        {
            CheckPlace(cluster, entry.Offset);
            if (entry.Kind == ClusterKind.Zero)
            {
                // Nobody sees this before the entry changes.
                _file.WriteZeroes(entry.Offset, ClusterSize, tag);
            }

            page![index] = L2Entry.Data(entry.Offset).Raw;
            return ChangeResult.Done;
        }

        long first = cluster << _clusterBits;
        bool isEmpty = whole.IsEmpty && IsZero(entry, first);
        result = _writer!.Allocator.TryAllocate(isZeroed: isEmpty || whole.Length is > 0 && whole.Length < ClusterSize, out long offset);
        if (result != ChangeResult.Done)
        {
            return result;
        }

        try
        {
            if (!whole.IsEmpty)
            {
                _file.Write(whole, offset, tag);
                isWritten = true;
            }
            else if (!isEmpty)
            {
                ReadOld(entry, first);
                _file.Write(_copy, offset, tag);
            }
        }
        catch (BlockDeviceException)
        {
            _writer.Allocator.TakeBack(offset);
            throw;
        }

        page![index] = L2Entry.Data(offset).Raw;
        DropOld(entry);
        return ChangeResult.Done;
    }

    /// <summary>Gets the page with a cluster's entry, in a table that nobody else refers to.</summary>
    private ChangeResult TryHoldEntry(long cluster, out MetadataPage? page, out int index)
    {
        page = null;
        index = 0;
        if (!_writer!.HasRoomForDrops)
        {
            return ChangeResult.NeedsCommit;
        }

        ulong table = _l1[cluster >> _l2Bits];
        if ((table & L2Entry.Copied) == 0 || (table & L2Entry.OffsetMask) == 0)
        {
            ChangeResult result = TryOwnTable(cluster >> _l2Bits, (long)(table & L2Entry.OffsetMask));
            if (result != ChangeResult.Done)
            {
                return result;
            }

            table = _l1[cluster >> _l2Bits];
        }

        long at = (long)(table & L2Entry.OffsetMask) + ((cluster & ((1L << _l2Bits) - 1)) * sizeof(ulong));
        return _l2.TryHold(at, out page, out index) ? ChangeResult.Done : ChangeResult.NeedsCommit;
    }

    /// <summary>Makes an L2 table, or a copy of one that a snapshot has, too.</summary>
    private ChangeResult TryOwnTable(long index, long old)
    {
        if (old != 0 && _writer!.Refcounts.Get(old >> _clusterBits) == 1)
        {
            _l1.Set(index, (ulong)old | L2Entry.Copied);
            return ChangeResult.Done;
        }

        ChangeResult result = _writer!.Allocator.TryAllocate(isZeroed: old == 0, out long offset);
        if (result != ChangeResult.Done)
        {
            return result;
        }

        if (old != 0)
        {
            try
            {
                // Nobody has changed the shared one since it was read.
                byte[] copy = _copy ??= new byte[ClusterSize];
                int there = (int)Math.Clamp(_file.Length - old, 0, ClusterSize);
                _file.Read(copy.AsSpan(0, there), old);
                copy.AsSpan(there).Clear();
                _file.Write(copy, offset, WriteTag.Metadata);
            }
            catch (BlockDeviceException)
            {
                _writer.Allocator.TakeBack(offset);
                throw;
            }

            _writer.Drop(old >> _clusterBits);
        }

        _writer.Tables.Add(offset >> _clusterBits);
        _l1.Set(index, (ulong)offset | L2Entry.Copied);
        return ChangeResult.Done;
    }

    /// <summary>Reads a whole cluster as it was, behind the end of the disk zeroes.</summary>
    private void ReadOld(L2Entry entry, long first)
    {
        byte[] copy = _copy ??= new byte[ClusterSize];
        switch (entry.Kind)
        {
            case ClusterKind.Data:
                ReadFile(copy, entry.Offset);
                break;
            case ClusterKind.Compressed:
                lock (_compressed.Lock)
                {
                    _compressed.Read(entry, 0, copy);
                }

                break;
            default:
                ReadBacking(copy, first);
                break;
        }
    }

    /// <summary>What an entry referred to loses a reference when the new one is durable.</summary>
    private void DropOld(L2Entry entry)
    {
        if (entry.Kind == ClusterKind.Compressed)
        {
            long start = entry.CompressedOffset(_clusterBits), end = start + entry.CompressedSize(_clusterBits);
            for (long cluster = start >> _clusterBits; cluster <= (end - 1) >> _clusterBits; cluster++)
            {
                _writer!.Drop(cluster);
            }
        }
        else if (entry.Offset != 0)
        {
            _writer!.Drop(entry.Offset >> _clusterBits);
        }
    }
}
