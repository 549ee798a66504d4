using WinLoop.Ext4.Format;
using WinLoop.Ext4.Resize;
using WinLoop.Storage;

namespace WinLoop.Ext4;

/// <summary>What a resize did.</summary>
/// <param name="BlocksBefore">Blocks of the volume before.</param>
/// <param name="BlocksAfter">Blocks of the volume now.</param>
/// <param name="BlockSize">Bytes per block.</param>
public readonly record struct ResizeResult(ulong BlocksBefore, ulong BlocksAfter, int BlockSize)
{
    /// <summary>Bytes of the volume before.</summary>
    public long BytesBefore => checked((long)BlocksBefore * BlockSize);
    /// <summary>Bytes of the volume now.</summary>
    public long BytesAfter => checked((long)BlocksAfter * BlockSize);
}

// Growing: while mounted and in use, which is also how an image that is not mounted grows.
public sealed partial class Ext4Volume
{
    internal const uint PageSize = 4096;

    // A last group must hold its own metadata and at least so many blocks of data, or it is left out.
    private const uint SmallestRest = 50;

    private readonly Lock _resizing = new();

    /// <summary>How large the volume can grow, in bytes.</summary>
    public long MaximumSize => BytesOf(GrowthLimits.Of(Geometry).Blocks, Geometry);

    /// <summary>How large a volume can grow, in bytes, and what ends it there.</summary>
    /// <param name="superblock">Its superblock.</param>
    /// <param name="deviceLength">Bytes in its device.</param>
    /// <exception cref="Ext4CorruptException">The superblock is damaged.</exception>
    public static (long Bytes, string Reason) LargestSize(Superblock superblock, long deviceLength)
    {
        Geometry geometry = Geometry.Create(superblock, deviceLength);
        GrowthLimits limits = GrowthLimits.Of(geometry);
        return (BytesOf(limits.Blocks, geometry), limits.Reason);
    }

    private static long BytesOf(ulong blocks, Geometry geometry) =>
        (long)Math.Min(blocks, (ulong)(long.MaxValue >> geometry.BlockSizeBits)) << geometry.BlockSizeBits;

    /// <summary>
    /// Makes the volume larger while it is in use. A device that can grow grows first; any other is that
    /// large already. With a journal, a cut at any moment
    /// leaves a sound volume of the old size, the new one, or one between them.
    /// </summary>
    /// <param name="bytes">The new size; rounded down to pages, and to the last group that is worth its metadata.</param>
    /// <exception cref="Ext4Exception">EINVAL: smaller than the volume; EFBIG: the volume cannot grow so far; ENOSPC: the
    /// device is smaller than that; EROFS; EIO.</exception>
    /// <exception cref="BlockDeviceException">The image file cannot grow, or the device fails.</exception>
    /// <exception cref="Ext4NotSupportedException">The journal is too short for the change.</exception>
    /// <exception cref="Ext4CorruptException">Something that the growth needs is damaged.</exception>
    public ResizeResult Grow(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        try
        {
            RequireWritable();
            lock (_resizing)
            {
                return GrowLocked(bytes);
            }
        }
        catch (Exception e) when (OnFailure(e))
        {
            throw;
        }
    }

    private ResizeResult GrowLocked(long bytes)
    {
        ulong before = Geometry.BlocksCount;
        ulong target = PlanSize(bytes);
        if (target == before)
        {
            return new ResizeResult(before, before, Geometry.BlockSize);
        }
        using var device = new DeviceGrowth(this, target, bytes);
        double reservedShare = Superblock.ReservedBlocksCount / (double)before;
        uint firstChanged = Geometry.GroupCount - 1;
        // Everything that the change needs is loaded, and with that checked, before the first of it.
        _ = (Blocks.FreeBlocks, InodeNumbers.FreeInodes);
        if (Geometry.Has(CompatFeatures.ResizeInode))
        {
            new ResizeInodeMap(this, Geometry, Geometry).Check();
        }
        var grower = new VolumeGrower(this);
        while (Geometry.BlocksCount < target)
        {
            Superblock now;
            lock (Superblock)
            {
                now = new Superblock(Superblock.Raw);
            }
            grower.Run(GrowthStep.Next(now, target, reservedShare, Device.Length, Journal.MaxFrozenCredits));
        }
        new BackupWriter(this).WriteAll(firstChanged);
        Journal.Commit(Journal.RunningTid);
        return new ResizeResult(before, target, Geometry.BlockSize);
    }

    // The image file is longer before the volume is; if the volume did not get a block of it, it is as it was afterwards.
    private readonly ref struct DeviceGrowth : IDisposable
    {
        private readonly Ext4Volume _volume;
        private readonly ulong _blocks;
        private readonly long _length;

        public DeviceGrowth(Ext4Volume volume, ulong target, long bytes)
        {
            _volume = volume;
            _blocks = volume.Geometry.BlocksCount;
            _length = volume.Device.Length;
            if ((ulong)_length >> volume.Geometry.BlockSizeBits < target)
            {
                ((IGrowableDevice)volume.Device).SetLength(bytes & ~511L);
            }
        }

        public void Dispose()
        {
            if (_volume.Device.Length > _length && _volume.Geometry.BlocksCount == _blocks && _volume.Journal.AbortReason is null)
            {
                ((IGrowableDevice)_volume.Device).SetLength(_length);
            }
        }
    }

    // Bytes to blocks, as mke2fs does it.
    private ulong PlanSize(long bytes)
    {
        ulong blocks = (ulong)bytes >> Geometry.BlockSizeBits;
        blocks -= blocks % Math.Max(1, PageSize / (uint)Geometry.BlockSize);
        if (blocks < Geometry.BlocksCount)
        {
            if ((ulong)bytes >> Geometry.BlockSizeBits >= Geometry.BlocksCount)
            {
                return Geometry.BlocksCount; // it does not end at a page
            }
            throw new Ext4Exception(Errno.EINVAL, $"{bytes} bytes are less than the volume has");
        }
        GrowthLimits limits = GrowthLimits.Of(Geometry);
        if (blocks > limits.Blocks)
        {
            throw new Ext4Exception(Errno.EFBIG, $"the volume can grow to {MaximumSize} bytes at most: {limits.Reason}");
        }
        if (blocks > (ulong)Device.Length >> Geometry.BlockSizeBits && Device is not IGrowableDevice { CanResize: true })
        {
            throw new Ext4Exception(Errno.ENOSPC, $"the device has {Device.Length} bytes only");
        }
        return WithoutSmallRest(blocks);
    }

    private ulong WithoutSmallRest(ulong blocks)
    {
        ulong rest = (blocks - Geometry.FirstDataBlock) % Geometry.BlocksPerGroup;
        uint last = (uint)((blocks - Geometry.FirstDataBlock) / Geometry.BlocksPerGroup);
        if (rest == 0 || last < Geometry.GroupCount)
        {
            return blocks;
        }
        return rest < SmallestGroup(Geometry, last) ? blocks - rest : blocks;
    }

    // Blocks that a last group has at least: its own metadata and some data.
    internal static ulong SmallestGroup(Geometry geometry, uint last) => 2ul + geometry.InodeTableBlocks + SmallestRest +
        (geometry.HasSuperblock(last) ? 1ul + geometry.DescriptorBlocks + geometry.ReservedDescriptorBlocks : 0);
}
