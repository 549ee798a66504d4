using System.Buffers.Binary;
using WinLoop.Storage;

namespace WinLoop.Images.Qcow2;

/// <summary>qcow2, the format of QEMU, versions 2 and 3.</summary>
public sealed class Qcow2Format : IImageFormat
{
    /// <inheritdoc/>
    public string Name => "qcow2";

    /// <inheritdoc/>
    public bool Matches(IGrowableDevice file)
    {
        ArgumentNullException.ThrowIfNull(file);
        Span<byte> magic = stackalloc byte[sizeof(uint)];
        if (file.Length < 512)
        {
            return false;
        }

        file.Read(magic, 0);
        return BinaryPrimitives.ReadUInt32BigEndian(magic) == Qcow2Header.Magic;
    }

    /// <inheritdoc/>
    public IBlockDevice Open(IGrowableDevice file, ImageFormatOptions options)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(options);
        BackingFile.CheckDepth(options);
        Qcow2Header header = Qcow2Header.Read(file);
        var check = new LayoutCheck(file, header);
        TopTable l1 = TopTable.Read(file, header.L1Offset, header.L1Count);
        long[] l2Tables = check.CheckL1(l1);
        var l2 = new PageCache(file, header.ClusterSize);
        var compressed = new CompressedClusters(file, header.ClusterBits);
        Qcow2Writer? writer = options.IsReadOnly || file.IsReadOnly
            ? null
            : OpenWriter(file, header, check, l1, l2Tables, l2, compressed, options);
        return new Qcow2Disk(file, header, l1, BackingFile.Open(header, options), writer, l2, compressed);
    }

    private static Qcow2Writer? OpenWriter(
        IGrowableDevice file, Qcow2Header header, LayoutCheck check, TopTable l1, long[] l2Tables, PageCache l2, CompressedClusters compressed,
        ImageFormatOptions options)
    {
        if (Qcow2Feature.WhyReadOnly(header) is { } reason)
        {
            options.Note?.Invoke($"qcow2: read-only: {reason}");
            return null;
        }

        TopTable table = check.ReadRefcountTable(out long[] blocks);
        ClusterSet tables = check.CheckTables(l1, l2Tables, table, blocks);
        var refcounts = new RefcountStore(new PageCache(file, header.ClusterSize), table, header.ClusterBits, header.RefcountOrder);
        ulong[]? referenced = check.TryMap(l2Tables, tables, refcounts, out string? problem);
        if (problem is not null)
        {
            options.Note?.Invoke($"qcow2: read-only: {problem}; 'qemu-img check -r all' may repair it");
            return null;
        }

        if (header.Extensions.HasBitmaps && header.Autoclear != 0)
        {
            options.Note?.Invoke("qcow2: its dirty bitmaps become invalid with the first write");
        }

        var allocator = new ClusterAllocator(file, refcounts, tables, referenced, header.ClusterBits);
        return new Qcow2Writer(file, header, l1, l2, refcounts, tables, allocator, compressed);
    }
}
