using System.Runtime.InteropServices;
using WinLoop.Ext4.Format;
using WinLoop.Storage;

namespace WinLoop.Ext4.Check.Repair;

/// <summary>Writes bitmaps, counts and checksums of all groups anew, from what the check has seen in use.</summary>
internal sealed class GroupRepair(CheckState state, IBlockDevice device, List<string> actions)
{
    public void Run()
    {
        Geometry geometry = state.Geometry;
        ulong[] words = new ulong[geometry.BlockSize / sizeof(ulong)];
        byte[] before = new byte[geometry.DescriptorSize];
        int changed = 0;
        for (uint group = 0; group < geometry.GroupCount; group++)
        {
            GroupDescriptor descriptor = state.Descriptor(group);
            Span<byte> raw = state.Descriptors.Items.AsSpan((int)(group * (uint)geometry.DescriptorSize), geometry.DescriptorSize);
            raw.CopyTo(before);
            bool isChanged = RepairBlocks(group, descriptor, words);
            isChanged |= RepairInodes(group, descriptor, words);
            descriptor.Checksum = descriptor.ComputeChecksum(geometry, state.Superblock.Uuid, group);
            if (!raw.SequenceEqual(before))
            {
                long table = (long)(((ulong)Superblock.Offset >> geometry.BlockSizeBits) + 1) << geometry.BlockSizeBits;
                device.Write(raw, table + ((long)group * geometry.DescriptorSize), WriteTag.Metadata);
                isChanged = true;
            }
            changed += isChanged ? 1 : 0;
        }
        if (changed > 0)
        {
            actions.Add($"wrote bitmaps and counts of {changed} groups");
        }
    }

    private bool RepairBlocks(uint group, GroupDescriptor descriptor, ulong[] words)
    {
        Geometry geometry = state.Geometry;
        uint used = BitmapPass.BuildBlocks(state, group, words);
        descriptor.FreeBlocks = geometry.BlocksInGroup(group) - used;
        bool isVirtual = ((GroupFlags)state.GroupFlagsOf[(int)group] & GroupFlags.BlockUninit) != 0 &&
            used == state.MetadataBlocks[(int)group] && group != geometry.GroupCount - 1;
        descriptor.Flags = isVirtual ? descriptor.Flags | GroupFlags.BlockUninit : descriptor.Flags & ~GroupFlags.BlockUninit;
        if (isVirtual)
        {
            return false;
        }
        if (geometry.HasMetadataChecksums)
        {
            descriptor.BlockBitmapChecksum = Checksum(words, geometry.BlocksPerGroup / 8, descriptor.IsWide);
        }
        return WriteIfChanged(descriptor.BlockBitmap, words);
    }

    private bool RepairInodes(uint group, GroupDescriptor descriptor, ulong[] words)
    {
        Geometry geometry = state.Geometry;
        uint used = BitmapPass.BuildInodes(state, group, words, out uint directories);
        descriptor.FreeInodes = geometry.InodesPerGroup - used;
        descriptor.UsedDirectories = directories;
        bool isVirtual = ((GroupFlags)state.GroupFlagsOf[(int)group] & GroupFlags.InodeUninit) != 0 && used == 0;
        descriptor.Flags = isVirtual ? descriptor.Flags | GroupFlags.InodeUninit : descriptor.Flags & ~GroupFlags.InodeUninit;
        // What was read is the part of the table that may be in use.
        descriptor.InodeTableUnused = isVirtual ? descriptor.InodeTableUnused : geometry.InodesPerGroup - state.ReadableInodes[(int)group];
        if (isVirtual)
        {
            return false;
        }
        if (geometry.HasMetadataChecksums)
        {
            descriptor.InodeBitmapChecksum = Checksum(words, geometry.InodesPerGroup / 8, descriptor.IsWide);
        }
        return WriteIfChanged(descriptor.InodeBitmap, words);
    }

    private uint Checksum(ulong[] words, uint bytes, bool isWide)
    {
        uint crc = Crc32C.Compute(state.Geometry.ChecksumSeed, MemoryMarshal.AsBytes(words.AsSpan())[..(int)bytes]);
        return isWide ? crc : crc & 0xFFFF;
    }

    private bool WriteIfChanged(ulong block, ulong[] words)
    {
        Span<byte> right = MemoryMarshal.AsBytes(words.AsSpan());
        byte[] disk = new byte[right.Length];
        long at = (long)(block << state.Geometry.BlockSizeBits);
        device.Read(disk, at);
        if (right.SequenceEqual(disk))
        {
            return false;
        }
        device.Write(right, at, WriteTag.Metadata);
        return true;
    }
}
