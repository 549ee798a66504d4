using System.Numerics;
using System.Runtime.InteropServices;
using WinLoop.Ext4.Allocation;
using WinLoop.Ext4.Format;

namespace WinLoop.Ext4.Check;

/// <summary>Pass 5: bitmaps and counts against what the passes before have seen in use.</summary>
internal sealed class BitmapPass(CheckState state)
{
    private ulong[] _disk = [], _right = [];

    public uint UsedInodes { get; private set; }

    public ulong UsedBlocks { get; private set; }

    public void Run()
    {
        Geometry geometry = state.Geometry;
        if (_disk.Length != geometry.BlockSize / sizeof(ulong))
        {
            _disk = new ulong[geometry.BlockSize / sizeof(ulong)];
            _right = new ulong[geometry.BlockSize / sizeof(ulong)];
        }
        UsedInodes = 0;
        UsedBlocks = geometry.FirstDataBlock;
        ulong freeBlocks = 0, freeInodes = 0;
        for (uint group = 0; group < geometry.GroupCount; group++)
        {
            state.Options.Cancellation.ThrowIfCancellationRequested();
            uint used = CheckBlocks(group);
            UsedBlocks += used;
            freeBlocks += geometry.BlocksInGroup(group) - used;
            used = CheckInodes(group);
            UsedInodes += used;
            freeInodes += geometry.InodesPerGroup - used;
            if (group % 64 == 63 || group == geometry.GroupCount - 1)
            {
                state.Options.Progress?.Invoke(new CheckProgress(5, group + 1, geometry.GroupCount));
            }
        }
        state.FreeBlocks = freeBlocks;
        state.FreeInodes = (uint)freeInodes;
        if (state.Superblock.FreeBlocksCount != freeBlocks)
        {
            state.Findings.Add(5, FindingCode.FreeBlocks, $"the superblock says {state.Superblock.FreeBlocksCount} free blocks, there are {freeBlocks}");
        }
        if (state.Superblock.FreeInodesCount != freeInodes)
        {
            state.Findings.Add(5, FindingCode.FreeInodes, $"the superblock says {state.Superblock.FreeInodesCount} free inodes, there are {freeInodes}");
        }
    }

    /// <summary>The right block bitmap of a group, padding included, as words; for repair.</summary>
    public static uint BuildBlocks(CheckState state, uint group, Span<ulong> words)
    {
        uint count = state.Geometry.BlocksInGroup(group);
        state.Claims.Copy(state.Geometry.GroupStart(group), count, words);
        uint used = Ones(words);
        Bitmap.Set(words, (int)count, (words.Length * 64) - (int)count);
        return used;
    }

    /// <summary>The right inode bitmap of a group, padding included; for repair.</summary>
    public static uint BuildInodes(CheckState state, uint group, Span<ulong> words, out uint directories)
    {
        Geometry geometry = state.Geometry;
        words.Clear();
        directories = 0;
        uint used = 0;
        Span<byte> states = state.States.Items.AsSpan(state.FirstSlot[(int)group], (int)state.ReadableInodes[(int)group]);
        for (int i = 0; i < states.Length; i++)
        {
            if ((states[i] & (byte)InodeState.InUse) != 0)
            {
                words[i >> 6] |= 1UL << (i & 63);
                used++;
                directories += (states[i] & (byte)InodeState.TypeMask) == (byte)DirectoryEntryType.Directory ? 1u : 0u;
            }
        }
        // Reserved inodes are taken, whether they are used or not.
        for (uint inode = (group * geometry.InodesPerGroup) + 1, i = 0; inode < geometry.FirstInode && i < geometry.InodesPerGroup; inode++, i++)
        {
            ulong bit = 1UL << (int)(i & 63);
            used += (words[(int)(i >> 6)] & bit) == 0 ? 1u : 0u;
            words[(int)(i >> 6)] |= bit;
        }
        Bitmap.Set(words, (int)geometry.InodesPerGroup, (words.Length * 64) - (int)geometry.InodesPerGroup);
        return used;
    }

    private uint CheckBlocks(uint group)
    {
        Geometry geometry = state.Geometry;
        GroupDescriptor descriptor = state.Descriptor(group);
        uint count = geometry.BlocksInGroup(group);
        uint used = BuildBlocks(state, group, _right);
        if (((GroupFlags)state.GroupFlagsOf[(int)group] & GroupFlags.BlockUninit) != 0)
        {
            if (used != state.MetadataBlocks[(int)group])
            {
                Add(FindingCode.BlockBitmap, group, "the block bitmap is marked as not initialised, but the group has files' blocks");
            }
        }
        else if (TryRead(descriptor.BlockBitmap, group))
        {
            if (geometry.HasMetadataChecksums)
            {
                uint crc = Crc32C.Compute(geometry.ChecksumSeed, MemoryMarshal.AsBytes(_disk.AsSpan())[..((int)geometry.BlocksPerGroup / 8)]);
                CheckChecksum(group, "block", descriptor.BlockBitmapChecksum, crc, descriptor.IsWide);
            }
            Compare(group, count, FindingCode.BlockBitmap, "block", geometry.GroupStart(group));
        }
        uint free = count - used;
        if (descriptor.FreeBlocks != free)
        {
            Add(FindingCode.GroupFreeBlocks, group, $"the descriptor says {descriptor.FreeBlocks} free blocks, there are {free}");
        }
        return used;
    }

    private uint CheckInodes(uint group)
    {
        Geometry geometry = state.Geometry;
        GroupDescriptor descriptor = state.Descriptor(group);
        uint used = BuildInodes(state, group, _right, out uint directories);
        if (((GroupFlags)state.GroupFlagsOf[(int)group] & GroupFlags.InodeUninit) != 0)
        {
            if (used != 0)
            {
                Add(FindingCode.InodeBitmap, group, "the inode bitmap is marked as not initialised, but inodes of the group are in use");
            }
        }
        else if (TryRead(descriptor.InodeBitmap, group))
        {
            if (geometry.HasMetadataChecksums)
            {
                uint crc = Crc32C.Compute(geometry.ChecksumSeed, MemoryMarshal.AsBytes(_disk.AsSpan())[..((int)geometry.InodesPerGroup / 8)]);
                CheckChecksum(group, "inode", descriptor.InodeBitmapChecksum, crc, descriptor.IsWide);
            }
            Compare(group, geometry.InodesPerGroup, FindingCode.InodeBitmap, "inode", ((ulong)group * geometry.InodesPerGroup) + 1);
        }
        uint free = geometry.InodesPerGroup - used;
        if (descriptor.FreeInodes != free)
        {
            Add(FindingCode.GroupFreeInodes, group, $"the descriptor says {descriptor.FreeInodes} free inodes, there are {free}");
        }
        if (descriptor.UsedDirectories != directories)
        {
            Add(FindingCode.GroupDirectories, group, $"the descriptor says {descriptor.UsedDirectories} directories, there are {directories}");
        }
        return used;
    }

    private bool TryRead(ulong block, uint group)
    {
        if (!state.Geometry.IsValidRange(block, 1))
        {
            return false; // reported in pass 0
        }
        if (!state.TryRead(5, MemoryMarshal.AsBytes(_disk.AsSpan()), block))
        {
            return false;
        }
        if (!BitConverter.IsLittleEndian)
        {
            System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(_disk, _disk);
        }
        return true;
    }

    private void CheckChecksum(uint group, string what, uint stored, uint right, bool isWide)
    {
        if (stored != (isWide ? right : right & 0xFFFF))
        {
            Add(FindingCode.BitmapChecksum, group, $"the {what} bitmap has a wrong checksum");
        }
    }

    // Bits up to count are things, the others padding, which is all ones.
    private void Compare(uint group, uint count, FindingCode code, string what, ulong firstNumber)
    {
        if (_disk.AsSpan().SequenceEqual(_right))
        {
            return;
        }
        uint missing = 0, extra = 0;
        ulong first = ulong.MaxValue;
        for (int i = 0; i < _disk.Length; i++)
        {
            ulong difference = _disk[i] ^ _right[i];
            int inside = (int)Math.Clamp((long)count - (i * 64L), 0, 64);
            difference &= inside == 64 ? ulong.MaxValue : (1UL << inside) - 1;
            if (difference != 0)
            {
                first = Math.Min(first, firstNumber + (ulong)((i * 64) + BitOperations.TrailingZeroCount(difference)));
                missing += (uint)BitOperations.PopCount(difference & _right[i]);
                extra += (uint)BitOperations.PopCount(difference & _disk[i]);
            }
        }
        if (first != ulong.MaxValue)
        {
            Add(code, group, $"{what} bitmap: {missing} in use but free in the bitmap, {extra} the other way round, the first is {what} {first}");
        }
        if ((int)count < _disk.Length * 64 && Bitmap.NextZero(_disk, (int)count) < _disk.Length * 64)
        {
            Add(FindingCode.BitmapPadding, group, $"the end of the {what} bitmap is not all ones");
        }
    }

    private static uint Ones(ReadOnlySpan<ulong> words)
    {
        uint ones = 0;
        foreach (ulong word in words)
        {
            ones += (uint)BitOperations.PopCount(word);
        }
        return ones;
    }

    private void Add(FindingCode code, uint group, string text) => state.Findings.Add(5, code, text, group: group);
}
