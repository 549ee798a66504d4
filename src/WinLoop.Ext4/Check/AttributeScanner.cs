using System.Numerics;
using WinLoop.Ext4.Allocation;
using WinLoop.Ext4.Attributes;
using WinLoop.Ext4.Cache;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Check;

/// <summary>Checks extended attributes, in the inode and in a block of their own.</summary>
internal sealed class AttributeScanner(CheckState state)
{
    private const int EntrySize = 16, EndMark = 4;

    private readonly ulong[] _used = new ulong[65536 / 64];
    private byte[] _block = [];

    /// <summary>The area behind i_extra_isize, from its first entry on.</summary>
    public void CheckInInode(ReadOnlySpan<byte> area, uint inode) => CheckEntries(area, 0, inode, null);

    /// <summary>Claims and checks an attribute block.</summary>
    /// <returns>True if the block counts in i_blocks.</returns>
    public bool CheckBlock(ulong block, uint inode)
    {
        if (!state.Geometry.Has(Format.CompatFeatures.ExtAttr) || !state.Geometry.IsValidRange(block, 1))
        {
            state.Findings.Add(1, FindingCode.InodeField, $"attribute block {block} " +
                (state.Geometry.IsValidRange(block, 1) ? "on a volume without the ext_attr feature" : "is outside the volume"), inode, block);
            return false;
        }
        if (state.AttributeBlocks.TryAddOwner(block))
        {
            return true;
        }
        if (_block.Length != state.Geometry.BlockSize)
        {
            _block = new byte[state.Geometry.BlockSize];
        }
        Span<byte> data = _block;
        if (!state.TryRead(1, data, block, inode))
        {
            return true;
        }
        uint references = ReadUInt32LittleEndian(data[4..]);
        if (references == 1)
        {
            if (!state.Claims.Claim(block, 1))
            {
                return true; // a conflict, reported as such
            }
        }
        else if (state.AttributeBlocks.AddOwner(block, references))
        {
            return true;
        }
        else
        {
            state.Claims.Claim(block, 1);
        }
        if (ReadUInt32LittleEndian(data) != AttributeArea.Magic || ReadUInt32LittleEndian(data[8..]) != 1)
        {
            state.Findings.Add(1, FindingCode.AttributeBlock, $"attribute block {block} has a damaged header", inode, block);
            return true;
        }
        if (!state.IsChecksumRight(block, data, BufferKind.AttributeBlock, state.Geometry.ChecksumSeed))
        {
            state.Findings.Add(1, FindingCode.AttributeChecksum, $"attribute block {block} has a wrong checksum", inode, block);
        }
        if (CheckEntries(data, AttributeArea.BlockHeaderSize, inode, block))
        {
            uint stored = ReadUInt32LittleEndian(data[0x0C..]);
            uint right = AttributeHash.OfBlock(new AttributeArea(data, AttributeArea.BlockHeaderSize));
            if (stored != right && stored != 0)
            {
                state.Findings.Add(1, FindingCode.AttributeBlockHash, $"attribute block {block} has the hash 0x{stored:X8}, its entries 0x{right:X8}", inode, block);
            }
        }
        return true;
    }

    private bool CheckEntries(ReadOnlySpan<byte> area, int first, uint inode, ulong? block)
    {
        Span<ulong> used = _used.AsSpan(0, (area.Length + 63) / 64);
        used.Clear();
        Bitmap.Set(used, 0, first);
        int at = first;
        while (at + EndMark <= area.Length && ReadUInt32LittleEndian(area[at..]) != 0)
        {
            int size = EntrySize + ((area[at] + 3) & ~3);
            if (at + size > area.Length)
            {
                return Damaged("an attribute's name reaches over the end", inode, block);
            }
            if (block is not null && area[at + 1] == 0)
            {
                return Damaged("an attribute has no name index", inode, block);
            }
            if (!Allocate(used, at, size, area.Length))
            {
                return Damaged("attributes overlap", inode, block);
            }
            if (!CheckValue(area, used, at, inode, block))
            {
                return false;
            }
            at += size;
        }
        return (at + EndMark <= area.Length && Allocate(used, at, EndMark, area.Length)) || Damaged("the attributes have no end mark", inode, block);
    }

    private bool CheckValue(ReadOnlySpan<byte> area, Span<ulong> used, int at, uint inode, ulong? block)
    {
        int offset = ReadUInt16LittleEndian(area[(at + 2)..]);
        uint size = ReadUInt32LittleEndian(area[(at + 8)..]);
        if (ReadUInt32LittleEndian(area[(at + 4)..]) != 0)
        {
            return Damaged("an attribute's value is in an inode, without the ea_inode feature", inode, block);
        }
        if (size > (uint)area.Length || offset > area.Length - (int)size)
        {
            return Damaged($"an attribute's value is {size} bytes at {offset}", inode, block);
        }
        if (size > 0 && !Allocate(used, offset, ((int)size + 3) & ~3, area.Length))
        {
            return Damaged("attribute values overlap", inode, block);
        }
        uint hash = ReadUInt32LittleEndian(area[(at + 12)..]);
        if (hash == 0 && block is null)
        {
            return true;
        }
        ReadOnlySpan<byte> name = area.Slice(at + EntrySize, area[at]);
        ReadOnlySpan<byte> value = size == 0 ? default : area.Slice(offset, ((int)size + 3) & ~3); // with its padding, as all others do
        if (hash != AttributeHash.OfEntry(name, value) && hash != SignedHash(name, value))
        {
            state.Findings.Add(1, FindingCode.AttributeHash, $"an attribute has the hash 0x{hash:X8}, its content 0x{AttributeHash.OfEntry(name, value):X8}", inode, block);
            return false;
        }
        return true;
    }

    private static bool Allocate(Span<ulong> used, int start, int length, int end)
    {
        if (start + length > end || !Bitmap.AreClear(used, start, length))
        {
            return false;
        }
        Bitmap.Set(used, start, length);
        return true;
    }

    private bool Damaged(string what, uint inode, ulong? block)
    {
        state.Findings.Add(1, FindingCode.AttributeEntry, block is null ? what + " (in the inode)" : $"{what} (in block {block})", inode, block);
        return false;
    }

    // Kernels before 6.2 took name bytes as signed chars on x86.
    private static uint SignedHash(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        uint hash = 0;
        foreach (byte c in name)
        {
            hash = unchecked(BitOperations.RotateLeft(hash, 5) ^ (uint)(sbyte)c);
        }
        for (; value.Length >= 4; value = value[4..])
        {
            hash = BitOperations.RotateLeft(hash, 16) ^ ReadUInt32LittleEndian(value);
        }
        if (!value.IsEmpty)
        {
            Span<byte> word = stackalloc byte[4];
            word.Clear();
            value.CopyTo(word);
            hash = BitOperations.RotateLeft(hash, 16) ^ ReadUInt32LittleEndian(word);
        }
        return hash;
    }
}
