using System.Buffers.Binary;
using System.Numerics;
using WinLoop.Storage;

namespace WinLoop.Images.Vhdx;

/// <summary>What the metadata region says of the disk (MS-VHDX, 2.6).</summary>
internal sealed class VhdxMetadata
{
    private static readonly Guid s_fileParameters = new("CAA16737-FA36-4D43-B3B6-33F0AA44E76B");
    private static readonly Guid s_diskSize = new("2FA54224-CD1B-4876-B211-5DBED83BF4B8");
    private static readonly Guid s_diskId = new("BECA12AB-B2E6-4523-93EF-C309E000C746");
    private static readonly Guid s_logicalSector = new("8141BF1D-A96F-4709-BA47-F233A8FAAB5F");
    private static readonly Guid s_physicalSector = new("CDA348C7-445D-4471-9CC9-E9885251C556");
    private static readonly Guid s_parentLocator = new("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C");

    private const uint LeavesBlocksAllocated = 1;
    private const uint HasParentFlag = 2;

    /// <summary>Bytes of a payload block: a power of two from 1 to 256 MiB.</summary>
    public int BlockSize { get; init; }

    /// <summary>True for a disk of fixed size: all blocks are in the file and stay there.</summary>
    public bool IsFixed { get; init; }

    /// <summary>True for a differencing disk.</summary>
    public bool HasParent { get; init; }

    /// <summary>Bytes of the disk.</summary>
    public long DiskSize { get; init; }

    /// <summary>512 or 4096.</summary>
    public int LogicalSectorSize { get; init; }

    /// <summary>512 or 4096.</summary>
    public int PhysicalSectorSize { get; init; }

    /// <summary>The identity of the disk, which copies of the file share.</summary>
    public Guid DiskId { get; init; }

    /// <summary>Where the parent is; null without one.</summary>
    public ParentLocator? Parent { get; init; }

    /// <summary>Reads and checks the region.</summary>
    public static VhdxMetadata Read(IBlockDevice file, Region region)
    {
        MetadataTable table = MetadataTable.Read(file, region);
        byte[] parameters = table.Item(s_fileParameters, 8, 8, "file parameters");
        uint blockSize = BinaryPrimitives.ReadUInt32LittleEndian(parameters);
        uint flags = BinaryPrimitives.ReadUInt32LittleEndian(parameters.AsSpan(4));
        ulong size = BinaryPrimitives.ReadUInt64LittleEndian(table.Item(s_diskSize, 8, 8, "size of the disk"));
        uint logical = BinaryPrimitives.ReadUInt32LittleEndian(table.Item(s_logicalSector, 4, 4, "logical sector size"));
        uint physical = BinaryPrimitives.ReadUInt32LittleEndian(table.Item(s_physicalSector, 4, 4, "physical sector size"));
        Guid id = new(table.Item(s_diskId, 16, 16, "identity of the disk"));
        if (!BitOperations.IsPow2(blockSize) || blockSize is < VhdxLayout.MiB or > 256 * VhdxLayout.MiB)
        {
            throw VhdxError.Damaged($"blocks of {blockSize} bytes cannot be");
        }

        if (logical is not (512 or 4096) || physical is not (512 or 4096))
        {
            throw VhdxError.Damaged($"sectors of {logical} bytes (physical {physical}) cannot be");
        }

        if (size is 0 or > VhdxLayout.MaxDiskSize || size % logical != 0)
        {
            throw VhdxError.Damaged($"a disk of {size} bytes cannot be");
        }

        bool hasParent = (flags & HasParentFlag) != 0;
        var metadata = new VhdxMetadata
        {
            BlockSize = (int)blockSize,
            IsFixed = (flags & LeavesBlocksAllocated) != 0,
            HasParent = hasParent,
            DiskSize = (long)size,
            LogicalSectorSize = (int)logical,
            PhysicalSectorSize = (int)physical,
            DiskId = id,
            Parent = hasParent ? ParentLocator.Parse(table.Item(s_parentLocator, 20, VhdxLayout.MiB, "parent locator")) : null,
        };
        table.RefuseUnknown();
        return metadata;
    }

    /// <summary>Makes the region's first bytes: the table and the items.</summary>
    public byte[] ToBytes()
    {
        byte[] parameters = new byte[8], size = new byte[8], logical = new byte[4], physical = new byte[4];
        uint flags = (IsFixed ? LeavesBlocksAllocated : 0) | (HasParent ? HasParentFlag : 0);
        BinaryPrimitives.WriteInt32LittleEndian(parameters, BlockSize);
        BinaryPrimitives.WriteUInt32LittleEndian(parameters.AsSpan(4), flags);
        BinaryPrimitives.WriteInt64LittleEndian(size, DiskSize);
        BinaryPrimitives.WriteInt32LittleEndian(logical, LogicalSectorSize);
        BinaryPrimitives.WriteInt32LittleEndian(physical, PhysicalSectorSize);
        var builder = new MetadataTable.Builder();
        builder.Add(s_fileParameters, parameters, isDisk: false);
        builder.Add(s_diskSize, size, isDisk: true);
        builder.Add(s_diskId, DiskId.ToByteArray(), isDisk: true);
        builder.Add(s_logicalSector, logical, isDisk: true);
        builder.Add(s_physicalSector, physical, isDisk: true);
        if (Parent is { } parent)
        {
            builder.Add(s_parentLocator, parent.ToBytes(), isDisk: false);
        }

        return builder.ToBytes();
    }
}
