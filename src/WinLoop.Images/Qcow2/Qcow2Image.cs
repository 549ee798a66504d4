using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using WinLoop.Storage;

namespace WinLoop.Images.Qcow2;

/// <summary>Makes new qcow2 files.</summary>
public static class Qcow2Image
{
    /// <summary>Makes a disk of zeroes, or of its backing file. What the file held before is gone.</summary>
    /// <param name="file">The file; it stays the caller's.</param>
    /// <param name="size">Bytes of the disk, a multiple of 512.</param>
    /// <param name="options">How; null: version 3, clusters of 64 KiB.</param>
    /// <exception cref="ArgumentException">The size or an option cannot be.</exception>
    /// <exception cref="BlockDeviceException">The file cannot be written.</exception>
    public static void Create(IGrowableDevice file, long size, Qcow2CreateOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(file);
        options ??= new Qcow2CreateOptions();
        int clusterBits = BitOperations.Log2((uint)options.ClusterSize), order = BitOperations.Log2((uint)options.RefcountBits);
        Check(size, options, clusterBits);
        int l1Shift = Qcow2Header.L1Shift(clusterBits);
        long l1Count = (size >> l1Shift) + ((size & ((1L << l1Shift) - 1)) != 0 ? 1 : 0);
        if (l1Count > Qcow2Header.MaxL1Size / sizeof(ulong))
        {
            throw new ArgumentException($"A qcow2 with clusters of {options.ClusterSize} bytes cannot hold a disk of {size} bytes.", nameof(size));
        }

        byte[] start = new byte[options.ClusterSize];
        byte[] backing = Encoding.UTF8.GetBytes(options.BackingFile ?? "");
        int backingAt = WriteExtensions(start, options, backing);

        // The header, the refcount table, its blocks, the L1 table.
        long l1Clusters = ClustersOf(l1Count * sizeof(ulong), clusterBits), blocks = 1, tableClusters = 1, total;
        int blockShift = RefcountStore.BlockShift(clusterBits, order);
        while (true)
        {
            total = 1 + tableClusters + blocks + l1Clusters;
            long neededBlocks = ClustersOf(total, blockShift), neededTable = ClustersOf(neededBlocks * sizeof(ulong), clusterBits);
            if (neededBlocks <= blocks && neededTable <= tableClusters)
            {
                break;
            }

            (blocks, tableClusters) = (Math.Max(blocks, neededBlocks), Math.Max(tableClusters, neededTable));
        }

        file.SetLength(0);
        file.SetLength(total << clusterBits);
        WriteTable(file, tableClusters, blocks, clusterBits);
        WriteBlocks(file, 1 + tableClusters, blocks, total, clusterBits, order);
        WriteHeader(start, size, options, clusterBits, order, l1Count, (1 + tableClusters + blocks) << clusterBits, tableClusters, backingAt, backing.Length);
        file.Write(start, 0, WriteTag.Superblock);
        file.Flush();
    }

    private static void Check(long size, Qcow2CreateOptions options, int clusterBits)
    {
        if (size <= 0 || size % 512 != 0)
        {
            throw new ArgumentException($"A qcow2 cannot hold a disk of {size} bytes.", nameof(size));
        }

        if (options.Version is not (2 or 3))
        {
            throw new ArgumentException($"There is no version {options.Version} of qcow2.", nameof(options));
        }

        if (!BitOperations.IsPow2(options.ClusterSize) || clusterBits is < Qcow2Header.MinClusterBits or > Qcow2Header.MaxClusterBits)
        {
            throw new ArgumentException($"A qcow2 cannot have clusters of {options.ClusterSize} bytes.", nameof(options));
        }

        if (!BitOperations.IsPow2(options.RefcountBits) || options.RefcountBits > 64 || (options.Version == 2 && options.RefcountBits != 16))
        {
            throw new ArgumentException($"A qcow2 of version {options.Version} cannot have refcounts of {options.RefcountBits} bits.", nameof(options));
        }

        if (options.BackingFile is null && options.BackingFormat is not null)
        {
            throw new ArgumentException("A format of a backing file needs a backing file.", nameof(options));
        }
    }

    private static long ClustersOf(long bytes, int shift) => (bytes + (1L << shift) - 1) >> shift;

    private static int HeaderSize(Qcow2CreateOptions options) => options.Version == 2 ? Qcow2Header.Version2Size : Qcow2Header.Version3Size;

    /// <summary>The extensions and the name of the backing file, behind the header in its cluster.</summary>
    private static int WriteExtensions(byte[] start, Qcow2CreateOptions options, byte[] backing)
    {
        byte[] format = Encoding.UTF8.GetBytes(options.BackingFormat ?? "");
        int at = HeaderSize(options), padded = (format.Length + 7) / 8 * 8, end = at + (format.Length > 0 ? 8 + padded : 0) + 8;
        if (backing.Length > Qcow2Header.MaxBackingName || end > start.Length - backing.Length)
        {
            throw new ArgumentException($"The name of the backing file has {backing.Length} bytes, which do not fit into the first cluster.", nameof(options));
        }

        if (format.Length > 0)
        {
            BinaryPrimitives.WriteUInt32BigEndian(start.AsSpan(at), Qcow2Extensions.BackingFormatType);
            BinaryPrimitives.WriteUInt32BigEndian(start.AsSpan(at + 4), (uint)format.Length);
            format.CopyTo(start, at + 8);
        }

        backing.CopyTo(start, end);
        return end;
    }

    private static void WriteTable(IGrowableDevice file, long tableClusters, long blocks, int clusterBits)
    {
        byte[] table = new byte[blocks * sizeof(ulong)];
        for (int i = 0; i < blocks; i++)
        {
            BinaryPrimitives.WriteUInt64BigEndian(table.AsSpan(i * sizeof(ulong)), (ulong)(1 + tableClusters + i) << clusterBits);
        }

        file.Write(table, 1L << clusterBits, WriteTag.Metadata);
    }

    private static void WriteBlocks(IGrowableDevice file, long first, long blocks, long total, int clusterBits, int order)
    {
        byte[] block = new byte[1 << clusterBits];
        int perBlock = 1 << RefcountStore.BlockShift(clusterBits, order);
        for (long i = 0; i < blocks; i++)
        {
            Array.Clear(block);
            for (int n = 0; n < perBlock && (i * perBlock) + n < total; n++)
            {
                (int word, int shift) = RefcountStore.Place(n, order);
                Span<byte> at = block.AsSpan(word * sizeof(ulong));
                BinaryPrimitives.WriteUInt64BigEndian(at, BinaryPrimitives.ReadUInt64BigEndian(at) | (1UL << shift));
            }

            file.Write(block, (first + i) << clusterBits, WriteTag.Metadata);
        }
    }

    private static void WriteHeader(
        byte[] start, long size, Qcow2CreateOptions options, int clusterBits, int order, long l1Count, long l1Offset, long tableClusters, int backingAt, int backingSize)
    {
        Word(0, Qcow2Header.Magic);
        Word(Qcow2Header.VersionAt, (uint)options.Version);
        Long(Qcow2Header.BackingOffsetAt, backingSize == 0 ? 0 : (ulong)backingAt);
        Word(Qcow2Header.BackingSizeAt, (uint)backingSize);
        Word(Qcow2Header.ClusterBitsAt, (uint)clusterBits);
        Long(Qcow2Header.SizeAt, (ulong)size);
        Word(Qcow2Header.L1SizeAt, (uint)l1Count);
        Long(Qcow2Header.L1OffsetAt, (ulong)l1Offset);
        Long(Qcow2Header.RefcountTableOffsetAt, 1UL << clusterBits);
        Word(Qcow2Header.RefcountTableClustersAt, (uint)tableClusters);
        if (options.Version == 3)
        {
            Word(Qcow2Header.RefcountOrderAt, (uint)order);
            Word(Qcow2Header.HeaderLengthAt, Qcow2Header.Version3Size);
        }

        void Word(int at, uint value) => BinaryPrimitives.WriteUInt32BigEndian(start.AsSpan(at), value);
        void Long(int at, ulong value) => BinaryPrimitives.WriteUInt64BigEndian(start.AsSpan(at), value);
    }
}
