using WinLoop.Storage;

namespace WinLoop.Images.Qcow2;

/// <summary>
/// The disk in a qcow2. A cluster that is in the file is read and written there directly, without a lock and without memory;
/// changes of the mapping go through <see cref="Qcow2Writer"/>.
/// </summary>
internal sealed partial class Qcow2Disk : IBlockDevice
{
    private readonly IGrowableDevice _file;
    private readonly IBlockDevice? _backing;
    private readonly TopTable _l1;
    private readonly PageCache _l2;
    private readonly CompressedClusters _compressed;
    private readonly int _clusterBits;
    private readonly int _l2Bits;
    private readonly bool _hasZeroClusters;
    private bool _isDisposed;
    private volatile bool _isAbandoned;

    /// <summary>Makes the disk.</summary>
    /// <param name="file">The file, which it owns.</param>
    /// <param name="header">Its header.</param>
    /// <param name="l1">Its L1 table.</param>
    /// <param name="backing">What shows through where the file has nothing; it owns it, too.</param>
    /// <param name="writer">For changes; null: read-only.</param>
    /// <param name="l2">The pages of the L2 tables.</param>
    /// <param name="compressed">Reads compressed clusters.</param>
    public Qcow2Disk(
        IGrowableDevice file, Qcow2Header header, TopTable l1, IBlockDevice? backing, Qcow2Writer? writer, PageCache l2, CompressedClusters compressed)
    {
        _file = file;
        _l1 = l1;
        _l2 = l2;
        _backing = backing;
        _writer = writer;
        _compressed = compressed;
        _clusterBits = header.ClusterBits;
        _l2Bits = header.ClusterBits - 3;
        _hasZeroClusters = header.Version >= 3;
        Length = header.Size;
    }

    /// <inheritdoc/>
    public long Length { get; }

    /// <inheritdoc/>
    public bool IsReadOnly => _writer is null;

    /// <inheritdoc/>
    public int SectorSize => 512;

    private int ClusterSize => 1 << _clusterBits;

    /// <inheritdoc/>
    public void Read(Span<byte> buffer, long offset)
    {
        DeviceRange.Check(this, offset, buffer.Length);
        while (!buffer.IsEmpty)
        {
            (long cluster, int inside, int part) = Locate(offset, buffer.Length);
            L2Entry entry = Lookup(cluster);
            switch (entry.Kind)
            {
                case ClusterKind.Data:
                    part = Extend(cluster, entry, part, buffer.Length);
                    ReadFile(buffer[..part], entry.Offset + inside);
                    break;
                case ClusterKind.Unallocated:
                    ReadBacking(buffer[..part], offset);
                    break;
                case ClusterKind.Compressed:
                    if (!TryReadCompressed(cluster, inside, buffer[..part]))
                    {
                        continue; // it has just been replaced
                    }

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
            (long cluster, long inside, long part) = Locate(offset + found, (int)Math.Min(length - found, int.MaxValue));
            ClusterKind kind;
            if ((_l1[cluster >> _l2Bits] & L2Entry.OffsetMask) == 0)
            {
                // Nothing in all of the table.
                kind = ClusterKind.Unallocated;
                inside += (cluster & ((1L << _l2Bits) - 1)) << _clusterBits;
                part = Math.Min((1L << (_l2Bits + _clusterBits)) - inside, length - found);
            }
            else
            {
                kind = Lookup(cluster).Kind;
            }

            if (kind is ClusterKind.Data or ClusterKind.Compressed)
            {
                break;
            }

            if (kind == ClusterKind.Unallocated && _backing is not null && offset + found < _backing.Length)
            {
                long below = Math.Min(part, _backing.Length - offset - found);
                long zeroes = _backing.ZeroRun(offset + found, below);
                if (zeroes < below)
                {
                    found += zeroes;
                    break;
                }
            }

            found += part;
        }

        return found;
    }

    /// <inheritdoc/>
    public void Prefetch(long offset, long length) =>
        ForData(offset, length, static (file, at, part) => file.Prefetch(at, part), static (backing, at, part) => backing.Prefetch(at, part));

    /// <inheritdoc/>
    public void Forget(long offset, long length) =>
        ForData(offset, length, static (file, at, part) => file.Forget(at, part), static (backing, at, part) => backing.Forget(at, part));

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
            if (!_isAbandoned)
            {
                _writer?.Close();
            }
        }
        catch (BlockDeviceException)
        {
            // Nothing that a flush has promised is lost.
        }

        _backing?.Dispose();
        _file.Dispose();
    }

    /// <summary>The entry of a cluster of the disk; offsets are checked as far as the file's beginning.</summary>
    private L2Entry Lookup(long cluster)
    {
        long table = (long)(_l1[cluster >> _l2Bits] & L2Entry.OffsetMask);
        if (table == 0)
        {
            return default;
        }

        var entry = new L2Entry(_l2.Read(table + ((cluster & ((1L << _l2Bits) - 1)) * sizeof(ulong))));
        switch (entry.Kind)
        {
            case ClusterKind.Data or ClusterKind.Zero when (entry.Offset & (ClusterSize - 1)) != 0:
                throw Qcow2Error.DamagedInUse($"cluster {cluster} of the disk is at {entry.Offset}, which is not at a cluster of the file");
            case ClusterKind.Zero when !_hasZeroClusters:
                throw Qcow2Error.DamagedInUse($"cluster {cluster} of the disk is a zero cluster, which version 2 does not have");
        }

        return entry;
    }

    /// <summary>Reads from the file; what is missing of its last cluster is zero.</summary>
    private void ReadFile(Span<byte> buffer, long at)
    {
        long start = at & -ClusterSize;
        if (start >= _file.Length)
        {
            throw Qcow2Error.DamagedInUse($"a cluster at {start} is past the end of the file ({_file.Length} bytes)");
        }

        int there = (int)Math.Clamp(_file.Length - at, 0, buffer.Length);
        if (buffer.Length - there >= ClusterSize)
        {
            throw Qcow2Error.DamagedInUse($"a cluster at {at} is past the end of the file ({_file.Length} bytes)");
        }

        if (there > 0)
        {
            _file.Read(buffer[..there], at);
        }

        buffer[there..].Clear();
    }

    /// <summary>Reads from the backing file, which may be smaller; behind its end there are zeroes.</summary>
    private void ReadBacking(Span<byte> buffer, long offset)
    {
        int there = _backing is null ? 0 : (int)Math.Clamp(_backing.Length - offset, 0, buffer.Length);
        if (there > 0)
        {
            _backing!.Read(buffer[..there], offset);
        }

        buffer[there..].Clear();
    }

    private bool TryReadCompressed(long cluster, int inside, Span<byte> buffer)
    {
        lock (_compressed.Lock)
        {
            L2Entry entry = Lookup(cluster);
            if (entry.Kind != ClusterKind.Compressed)
            {
                return false;
            }

            _compressed.Read(entry, inside, buffer);
            return true;
        }
    }

    /// <summary>Takes clusters that follow each other in the file as well into one transfer.</summary>
    private int Extend(long cluster, L2Entry entry, int part, int length)
    {
        long next = entry.Offset;
        while (part < length)
        {
            next += ClusterSize;
            cluster++;
            L2Entry other = Lookup(cluster);
            if (other.Kind != ClusterKind.Data || other.Offset != next)
            {
                break;
            }

            part += Math.Min(ClusterSize, length - part);
        }

        return part;
    }

    private void ForData(long offset, long length, Action<IBlockDevice, long, long> action, Action<IBlockDevice, long, long> below)
    {
        DeviceRange.Check(this, offset, length);
        while (length > 0)
        {
            (long cluster, int inside, int part) = Locate(offset, length);
            L2Entry entry;
            try
            {
                entry = Lookup(cluster);
            }
            catch (BlockDeviceException)
            {
                return; // the read will say so
            }

            if (entry.Kind == ClusterKind.Data && entry.Offset < _file.Length - inside)
            {
                action(_file, entry.Offset + inside, Math.Min(part, _file.Length - entry.Offset - inside));
            }
            else if (entry.Kind == ClusterKind.Unallocated && _backing is not null && offset < _backing.Length)
            {
                below(_backing, offset, Math.Min(part, _backing.Length - offset));
            }

            offset += part;
            length -= part;
        }
    }

    private (long Cluster, int Inside, int Part) Locate(long offset, long length)
    {
        int inside = (int)(offset & (ClusterSize - 1));
        return (offset >> _clusterBits, inside, (int)Math.Min(ClusterSize - inside, length));
    }
}
