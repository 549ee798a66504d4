using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Extents;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;

namespace WinLoop.Ext4.Directories;

/// <summary>
/// The blocks of directories by their logical numbers: reading, appending, and what all directories of a
/// volume have in common. Keeps no state of a call, so that many threads may look things up at once.
/// </summary>
internal sealed class DirectoryBlocks
{
    // s_flags: name bytes are hashed as unsigned numbers.
    private const uint UnsignedHash = 2;
    // Without largedir the high half of i_size is not valid in directories.
    private const long MaximumSize = int.MaxValue;
    // Blocks of a directory that are asked for at once; more would push other things out of the host's cache.
    private const uint MaximumPrefetch = 4096;

    private readonly Ext4Volume _volume;
    private HtreeHash? _hash;

    public DirectoryBlocks(Ext4Volume volume)
    {
        _volume = volume;
        Geometry geometry = volume.Geometry;
        Format = new DirectoryFormat(geometry.BlockSize, geometry.InodesCount, geometry.Has(IncompatFeatures.FileType),
            geometry.HasMetadataChecksums);
        HasIndexes = geometry.Has(CompatFeatures.DirIndex);
        MaximumLevels = geometry.Has(IncompatFeatures.LargeDir) ? 2 : 1;
    }

    public DirectoryFormat Format { get; }

    /// <summary>True if directories may be indexed (dir_index).</summary>
    public bool HasIndexes { get; }

    /// <summary>Levels of index nodes that a root may have below it.</summary>
    public int MaximumLevels { get; }

    /// <summary>The volume's hash functions.</summary>
    public HtreeHash Hash => _hash ??= new HtreeHash(_volume.Superblock.HashSeed, (_volume.Superblock.Flags & UnsignedHash) != 0);

    /// <summary>The hash of new indexes.</summary>
    public HtreeHashVersion DefaultVersion => _volume.Superblock.DefaultHashVersion is var version && version <= (byte)HtreeHashVersion.Tea
        ? (HtreeHashVersion)version
        : HtreeHashVersion.HalfMd4;

    /// <summary>True if the directory is an htree.</summary>
    public bool IsIndexed(Inode directory) => HasIndexes && (directory.Flags & InodeFlags.Index) != 0;

    /// <summary>The directory's length in blocks; never more than the volume has.</summary>
    public uint Count(Inode directory)
    {
        long size = directory.Size;
        long count = size >> _volume.Geometry.BlockSizeBits;
        if (count <= 0 || (size & (Format.BlockSize - 1)) != 0 || (ulong)count > _volume.Geometry.BlocksCount || count > uint.MaxValue)
        {
            throw new Ext4CorruptException($"directory inode {directory.Number}", $"its size is {size} bytes");
        }
        return (uint)count;
    }

    /// <summary>A reference to a block that is known to be of a kind.</summary>
    /// <param name="directory">The directory.</param>
    /// <param name="logical">Logical block number, below <see cref="Count"/>.</param>
    /// <param name="kind">What it is.</param>
    public MetadataBuffer Read(Inode directory, uint logical, BufferKind kind) =>
        _volume.Cache.Read(Locate(directory, logical), kind, directory.ChecksumSeed);

    /// <summary>Has the device begin to read a directory that is about to be walked.</summary>
    public void Prefetch(Inode directory, uint count)
    {
        uint logical = 0;
        while (logical < Math.Min(count, MaximumPrefetch))
        {
            ExtentMapping run = _volume.Extents.Map(directory, logical).From(logical);
            uint length = Math.Min(run.Length, MaximumPrefetch - logical);
            if (run.State == ExtentState.Written && !_volume.Cache.IsCached(run.PhysicalOf(logical + length - 1)))
            {
                _volume.Cache.Prefetch(run.PhysicalOf(logical), length);
            }
            logical += length;
        }
    }

    /// <summary>A reference to a block that is read in a walk over all blocks. In an indexed directory what it
    /// is follows from its place and its shape; index nodes look like empty blocks there.</summary>
    public MetadataBuffer ReadLinear(Inode directory, uint logical)
    {
        if (!IsIndexed(directory))
        {
            return Read(directory, logical, BufferKind.DirectoryLeaf);
        }
        if (logical == 0)
        {
            return Read(directory, logical, BufferKind.HtreeRoot);
        }
        ulong physical = Locate(directory, logical);
        // A block with changes must not be asked for as something else than it is.
        MetadataBuffer? cached = _volume.Cache.TryGetCached(physical);
        if (cached is not null)
        {
            if (cached.IsVerified && cached.Seed == directory.ChecksumSeed &&
                cached.VerifiedKind is BufferKind.DirectoryLeaf or BufferKind.HtreeNode)
            {
                return cached;
            }
            cached.Dispose();
        }
        MetadataBuffer raw = _volume.Cache.Read(physical, BufferKind.Raw, directory.ChecksumSeed);
        if (HtreeNode.IsNode(raw.Data, Format))
        {
            return raw;
        }
        raw.Dispose();
        return _volume.Cache.Read(physical, BufferKind.DirectoryLeaf, directory.ChecksumSeed);
    }

    /// <summary>The view of a block that holds entries.</summary>
    public DirectoryBlock View(Inode directory, uint logical, MetadataBuffer buffer) =>
        new(buffer.Data, Format, directory.Number, logical, isIndex: buffer.Kind != BufferKind.DirectoryLeaf);

    /// <summary>
    /// Adds a zero-filled block to the end of a directory, joins it and writes the inode. Nothing has changed
    /// when it throws.
    /// </summary>
    /// <exception cref="Ext4Exception">ENOSPC.</exception>
    public MetadataBuffer Append(Handle handle, Inode directory, BufferKind kind, out uint logical)
    {
        logical = directory.Size == 0 ? 0 : Count(directory);
        if (directory.Size + Format.BlockSize > MaximumSize)
        {
            throw new Ext4Exception(Errno.ENOSPC, "The directory has reached its largest size.");
        }
        ulong physical = _volume.Blocks.AllocateMetadata(handle, directory, _volume.Extents.Goal(directory, logical));
        try
        {
            _volume.Extents.Insert(handle, directory, new ExtentMapping(logical, physical, 1, ExtentState.Written));
        }
        catch (Ext4Exception)
        {
            _volume.Blocks.Free(handle, directory, physical, 1, isMetadata: true);
            throw;
        }
        MetadataBuffer buffer = _volume.Cache.GetNew(physical, kind, directory.ChecksumSeed);
        handle.Join(buffer);
        directory.Size += Format.BlockSize;
        _volume.Inodes.Write(handle, directory);
        return buffer;
    }

    /// <summary>Writes the directory's inode.</summary>
    public void Save(Handle handle, Inode directory) => _volume.Inodes.Write(handle, directory);

    /// <summary>Says that a joined block is something else from now on.</summary>
    public static void ChangeKind(MetadataBuffer buffer, BufferKind kind)
    {
        lock (buffer)
        {
            buffer.Kind = kind;
            buffer.VerifiedKind = kind;
        }
    }

    private ulong Locate(Inode directory, uint logical)
    {
        ExtentMapping mapping = _volume.Extents.Map(directory, logical);
        if (mapping.State != ExtentState.Written)
        {
            throw new Ext4CorruptException($"directory inode {directory.Number}, block {logical}", "is not mapped");
        }
        return mapping.PhysicalOf(logical);
    }
}
