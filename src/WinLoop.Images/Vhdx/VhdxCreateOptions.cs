using WinLoop.Storage;

namespace WinLoop.Images.Vhdx;

/// <summary>What a new VHDX is like.</summary>
public sealed record VhdxCreateOptions
{
    /// <summary>All blocks have their place in the file from the beginning on.</summary>
    public bool IsFixed { get; init; }

    /// <summary>Bytes of a block: a power of two from 1 MiB to 256 MiB; 0: 1 MiB, or 32 MiB for disks larger than 2 TiB.</summary>
    public int BlockSize { get; init; }

    /// <summary>Bytes of a sector that the disk shows: 512 or 4096.</summary>
    public int LogicalSectorSize { get; init; } = 512;

    /// <summary>Bytes of a sector that the disk says it has inside: 512 or 4096.</summary>
    public int PhysicalSectorSize { get; init; } = 4096;

    /// <summary>The disk that this one keeps the differences to; it must not be written any more.</summary>
    public VhdxParent? Parent { get; init; }
}

/// <summary>The parent of a new differencing disk.</summary>
/// <param name="Disk">The parent, opened as a VHDX.</param>
/// <param name="RelativePath">Its path, relative to the folder of the new file.</param>
/// <param name="AbsolutePath">Its path as Windows knows it, or null.</param>
public sealed record VhdxParent(IBlockDevice Disk, string RelativePath, string? AbsolutePath = null);
