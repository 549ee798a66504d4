using WinLoop.Ext4.Allocation;
using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;
using WinLoop.Storage;

namespace WinLoop.Ext4.Resize;

/// <summary>
/// Grows a mounted volume, in steps of one transaction each. What is written before the transaction lies behind the
/// volume's end, and everything in memory learns of the new size when the transaction is home: before, the volume has
/// its old size, on the disk and in memory, and afterwards the new one.
/// </summary>
internal sealed class VolumeGrower(Ext4Volume volume)
{
    /// <summary>Does one step.</summary>
    public void Run(GrowthStep step)
    {
        WriteBehindTheEnd(step);
        volume.FlushDevice();
        volume.Journal.Freeze();
        try
        {
            Change(step);
            volume.Journal.Commit(volume.Journal.RunningTid);
            // Others may log blocks of the new groups from here on: who replays them must know the size.
            volume.Journal.CheckpointAll();
            Publish(step);
        }
        finally
        {
            volume.Journal.Unfreeze();
        }
    }

    private void WriteBehindTheEnd(GrowthStep step)
    {
        Geometry geometry = step.After;
        int blockSize = geometry.BlockSize;
        var bitmap = new byte[blockSize];
        foreach (AddedGroup group in step.Added)
        {
            ulong start = geometry.GroupStart(group.Number);
            if (geometry.HasSuperblock(group.Number))
            {
                Zero(start, 1u + geometry.DescriptorBlocks + geometry.ReservedDescriptorBlocks);
            }
            Zero(group.State.InodeTable, geometry.InodeTableBlocks);
            GroupPlacement.FillBitmap(geometry, step.Added, group, bitmap);
            group.State.BlockBitmapChecksum = BitmapChecksum(bitmap, geometry.BlocksPerGroup);
            volume.Device.Write(bitmap, (long)group.State.BlockBitmap * blockSize, WriteTag.Metadata);
            // INODE_UNINIT says that this one is computed; without descriptor checksums there is no such flag.
            bitmap.AsSpan().Clear();
            Bitmap.Set(System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ulong>(bitmap.AsSpan()), (int)geometry.InodesPerGroup, (blockSize * 8) - (int)geometry.InodesPerGroup);
            group.State.InodeBitmapChecksum = BitmapChecksum(bitmap, geometry.InodesPerGroup);
            volume.Device.Write(bitmap, (long)group.State.InodeBitmap * blockSize, WriteTag.Metadata);
        }

        void Zero(ulong block, uint count) =>
            volume.Device.WriteZeroes((long)block * blockSize, (long)count * blockSize, WriteTag.Metadata);
    }

    private uint BitmapChecksum(ReadOnlySpan<byte> bitmap, uint bits)
    {
        if (!volume.Geometry.HasMetadataChecksums)
        {
            return 0;
        }
        uint crc = Crc32C.Compute(volume.Geometry.ChecksumSeed, bitmap[..(int)(bits / 8)]);
        return volume.Geometry.DescriptorSize >= 64 ? crc : crc & 0xFFFF;
    }

    private void Change(GrowthStep step)
    {
        using Handle handle = volume.Journal.Start(step.Credits);
        if (step.Lengthened != 0)
        {
            uint last = step.FirstAdded - 1;
            volume.Blocks.InitializeBitmap(handle, last);
            lock (volume.Groups.LockOf(last))
            {
                volume.Blocks.LengthenGroup(handle, last, (int)step.Before.BlocksInGroup(last), (int)step.Lengthened);
            }
        }
        if (step.ChangesResizeInode)
        {
            new ResizeInodeMap(volume, step.Before, step.After).Update(handle);
        }
        WriteDescriptors(handle, step);
        lock (volume.Superblock)
        {
            Superblock now = volume.Superblock, next = step.Superblock;
            now.BlocksCount = next.BlocksCount;
            now.InodesCount = next.InodesCount;
            now.ReservedGdtBlocks = next.ReservedGdtBlocks;
            now.ReservedBlocksCount = next.ReservedBlocksCount;
            now.FreeBlocksCount = next.FreeBlocksCount;
            now.FreeInodesCount = next.FreeInodesCount;
            now.OverheadClusters = next.OverheadClusters;
        }
        handle.JoinSuperblock();
    }

    private void WriteDescriptors(Handle handle, GrowthStep step)
    {
        uint perBlock = (uint)step.After.DescriptorsPerBlock;
        for (int i = 0; i < step.Added.Count;)
        {
            ulong block = volume.Groups.DescriptorBlock(step.Added[i].Number);
            bool isNew = step.Added[i].Number / perBlock >= step.Before.DescriptorBlocks;
            using MetadataBuffer buffer = isNew
                ? volume.Cache.GetNew(block, BufferKind.Descriptors)
                : volume.Cache.Read(block, BufferKind.Descriptors);
            handle.Join(buffer);
            for (; i < step.Added.Count && volume.Groups.DescriptorBlock(step.Added[i].Number) == block; i++)
            {
                Encode(step, step.Added[i], buffer.Data);
            }
        }
    }

    private void Encode(GrowthStep step, AddedGroup group, Span<byte> tableBlock)
    {
        Geometry geometry = step.After;
        int at = (int)(group.Number % (uint)geometry.DescriptorsPerBlock) * geometry.DescriptorSize;
        Span<byte> raw = tableBlock.Slice(at, geometry.DescriptorSize);
        raw.Clear();
        ref GroupState state = ref group.State;
        var descriptor = new GroupDescriptor(raw)
        {
            BlockBitmap = state.BlockBitmap,
            InodeBitmap = state.InodeBitmap,
            InodeTable = state.InodeTable,
            FreeBlocks = state.FreeBlocks,
            FreeInodes = state.FreeInodes,
            Flags = state.Flags,
            InodeTableUnused = state.InodeTableUnused,
            BlockBitmapChecksum = state.BlockBitmapChecksum,
            InodeBitmapChecksum = state.InodeBitmapChecksum,
        };
        descriptor.Checksum = descriptor.ComputeChecksum(geometry, volume.Superblock.Uuid, group.Number);
    }

    // Arrays first, the size last: who sees the size finds everything that belongs to it.
    private void Publish(GrowthStep step)
    {
        GroupState[] added = [.. step.Added.Select(group => group.State)];
        volume.Groups.LockAll();
        try
        {
            volume.Groups.Extend(step.After, step.FirstAdded, added);
            volume.Blocks.Extend(step.After, step.FirstAdded, step.Lengthened, added);
            volume.InodeNumbers.Extend(step.FirstAdded, added);
            volume.Directories.SetInodesCount(step.After.InodesCount);
            volume.Geometry.Adopt(step.After);
        }
        finally
        {
            volume.Groups.UnlockAll();
        }
    }
}
