using WinLoop.Ext4.Format;
using WinLoop.Ext4.Resize;

namespace WinLoop.Ext4;

// Shrinking: only while nobody else uses the volume.
public sealed partial class Ext4Volume
{
    /// <summary>
    /// Makes the volume smaller. What files have in the part that is cut off is moved first, file by file, each in
    /// transactions of its own; the cut is one more. With a journal, power may fail at any moment: the volume is sound and has
    /// its old size or the new one. The device keeps its size.
    /// </summary>
    /// <param name="bytes">The new size; rounded as <see cref="Grow"/> rounds it.</param>
    /// <exception cref="Ext4Exception">EBUSY: somebody uses an inode; ENOSPC: the volume cannot be so small (the message says
    /// how small it can be, and what is in the way); EINVAL: larger than the volume; EROFS; EIO.</exception>
    /// <exception cref="Ext4NotSupportedException">Something in the way cannot be moved, or the journal is too short for
    /// the change. What was moved stays moved; the volume has its old size.</exception>
    /// <exception cref="Ext4CorruptException">Damage was found.</exception>
    /// <exception cref="Storage.BlockDeviceException">The device failed.</exception>
    public ResizeResult Shrink(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        try
        {
            RequireWritable();
            lock (_resizing)
            {
                return ShrinkLocked(bytes);
            }
        }
        catch (Exception e) when (OnFailure(e))
        {
            throw;
        }
    }

    /// <summary>
    /// Makes the volume as small as it can become, in a few rounds: what one round has cut off makes room for the next.
    /// What <see cref="Shrink"/> says holds for each.
    /// </summary>
    /// <exception cref="Ext4Exception">EBUSY: somebody uses an inode; EROFS; EIO.</exception>
    /// <exception cref="Ext4NotSupportedException">Something cannot be moved or the journal is too short, whatever the size.</exception>
    /// <exception cref="Ext4CorruptException">Damage was found.</exception>
    /// <exception cref="Storage.BlockDeviceException">The device failed.</exception>
    public ResizeResult ShrinkToMinimum()
    {
        ulong before = Geometry.BlocksCount;
        for (int round = 0; round < MaximumRounds; round++)
        {
            long size = BytesOf(Geometry.BlocksCount, Geometry), wanted = MinimumSize;
            if (wanted >= size)
            {
                break;
            }
            ShrinkAbout(wanted, size);
            long gained = size - BytesOf(Geometry.BlocksCount, Geometry);
            if (gained < size / WorthARound)
            {
                break;
            }
        }
        return new ResizeResult(before, Geometry.BlocksCount, Geometry.BlockSize);
    }

    private const int MaximumRounds = 8, WorthARound = 200, MaximumTries = 6;

    // Free blocks in many small runs can make trees larger than was thought: then not quite as small.
    private void ShrinkAbout(long wanted, long size)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                Shrink(wanted);
                return;
            }
            catch (Ext4Exception e) when (e.Errno == Errno.ENOSPC && attempt < MaximumTries && Journal.AbortReason is null)
            {
                wanted = Math.Max(MinimumSize, wanted + Math.Max(PageSize * 8, wanted / 64));
                if (wanted >= size)
                {
                    return;
                }
            }
        }
    }

    private ResizeResult ShrinkLocked(long bytes)
    {
        ulong before = Geometry.BlocksCount;
        ulong blocks = (ulong)bytes >> Geometry.BlockSizeBits;
        blocks -= blocks % Math.Max(1, PageSize / (uint)Geometry.BlockSize);
        if (blocks > before)
        {
            throw new Ext4Exception(Errno.EINVAL, $"{bytes} bytes are more than the volume has");
        }
        if (Inodes.All.Any(inode => Volatile.Read(ref inode.References) > 0))
        {
            throw new Ext4Exception(Errno.EBUSY, "the volume is in use");
        }
        _ = (Blocks.FreeBlocks, InodeNumbers.FreeInodes);
        Orphans.OpenFile();
        blocks = WithoutSmallLast(blocks);
        if (blocks == before)
        {
            return new ResizeResult(before, before, Geometry.BlockSize);
        }
        if (blocks <= Geometry.FirstDataBlock)
        {
            throw TooSmall("nothing would be left");
        }
        if (new ShrinkLimits(this).WhyNot(blocks) is { } reason)
        {
            throw TooSmall(reason);
        }
        if (Geometry.Has(CompatFeatures.ResizeInode))
        {
            new ResizeInodeMap(this, Geometry, Geometry).Check();
        }
        var cutter = new VolumeCutter(this, blocks, Superblock.ReservedBlocksCount / (double)before);
        if (cutter.Credits > Journal.MaxFrozenCredits)
        {
            throw new Ext4NotSupportedException("journal", $"the cut takes a transaction of {cutter.Credits} blocks, and the journal takes {Journal.MaxFrozenCredits}");
        }
        var inodes = new InodeMover(this, cutter.After.InodesCount);
        inodes.Plan();
        Journal.Freeze();
        try
        {
            Blocks.SetLimit(blocks);
            InodeNumbers.SetLimit(cutter.After.GroupCount);
            new JournalMover(this, blocks).MoveAll();
            inodes.MoveAll();
            SettleAll();
            new BlockMover(this, blocks).MoveAll();
            if (Geometry.Has(CompatFeatures.ResizeInode))
            {
                new ResizeInodeMap(this, Geometry, Geometry).MoveTop(blocks);
            }
            SettleAll();
            RequireEmpty(blocks, cutter.After.InodesCount);
            cutter.Run();
        }
        finally
        {
            if (Geometry.BlocksCount == before && Journal.AbortReason is null)
            {
                Journal.Commit(Journal.RunningTid);
                Blocks.ClearLimit();
                InodeNumbers.SetLimit(uint.MaxValue);
            }
            Journal.Unfreeze();
        }
        new BackupWriter(this).WriteAll(0);
        SettleAll();
        return new ResizeResult(before, blocks, Geometry.BlockSize);
    }

    // Everything that was changed is at home, and the device has the newest content of all blocks.
    private void SettleAll()
    {
        Journal.Commit(Journal.RunningTid);
        Journal.CheckpointAll();
    }

    // What nobody owns cannot have moved: the cut must not be what finds it.
    private void RequireEmpty(ulong blocks, uint inodes)
    {
        ulong left = Blocks.FirstUsed(blocks, Geometry.BlocksCount, withoutMetadata: true);
        if (left < Geometry.BlocksCount)
        {
            throw new Ext4CorruptException($"block {left}", "in use, but by no file");
        }
        foreach (uint number in UsedInodes.Of(this, inodes + 1, Geometry.InodesCount))
        {
            throw new Ext4CorruptException($"inode {number}", "in use, but without a name");
        }
    }

    private Ext4Exception TooSmall(string reason) =>
        new(Errno.ENOSPC, $"the volume can be made as small as {MinimumSize} bytes; for less, {reason}");

    /// <summary>How small the volume can surely become now, in bytes.</summary>
    /// <exception cref="Ext4CorruptException">Something that is needed to tell is damaged.</exception>
    public long MinimumSize
    {
        get
        {
            Orphans.OpenFile();
            return BytesOf(new ShrinkLimits(this).Minimum, Geometry);
        }
    }

    // A last group that is too small for its own metadata and some data is left out.
    private ulong WithoutSmallLast(ulong blocks)
    {
        if (blocks <= Geometry.FirstDataBlock || blocks == Geometry.BlocksCount)
        {
            return blocks;
        }
        ulong rest = (blocks - Geometry.FirstDataBlock) % Geometry.BlocksPerGroup;
        uint last = (uint)((blocks - Geometry.FirstDataBlock) / Geometry.BlocksPerGroup);
        return rest != 0 && rest < SmallestGroup(Geometry, last) ? blocks - rest : blocks;
    }
}
