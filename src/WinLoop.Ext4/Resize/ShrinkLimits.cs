using WinLoop.Ext4.Allocation;
using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Resize;

/// <summary>How small a volume can become, and what is in the way of less.</summary>
internal sealed class ShrinkLimits
{
    private const int SectorsAt = 0x1C;

    private readonly Ext4Volume _volume;
    private readonly Geometry _geometry;
    // Per group: blocks that files use, and free ones; inodes in use.
    private readonly uint[] _used, _free, _inodes;
    // What cannot be moved at all; null if there is nothing of that kind.
    private readonly string? _fixed;

    /// <summary>Looks at the descriptors of all groups.</summary>
    public ShrinkLimits(Ext4Volume volume)
    {
        _volume = volume;
        _geometry = volume.Geometry;
        uint groups = _geometry.GroupCount;
        (_used, _free, _inodes) = (new uint[groups], new uint[groups], new uint[groups]);
        for (uint group = 0; group < groups; group++)
        {
            ref GroupState state = ref volume.Groups.Get(group);
            _free[group] = state.FreeBlocks;
            _used[group] = _geometry.BlocksInGroup(group) - Math.Min(_geometry.BlocksInGroup(group), state.FreeBlocks + MetadataIn(group));
            _inodes[group] = _geometry.InodesPerGroup - state.FreeInodes;
        }
        _fixed = FindFixed();
    }

    /// <summary>The smallest size in blocks that is sure to do.</summary>
    public ulong Minimum
    {
        get
        {
            uint low = 1, high = _geometry.GroupCount;
            while (low < high)
            {
                uint middle = low + ((high - low) / 2);
                if (WhyNot(_geometry.GroupStart(middle)) is null)
                {
                    high = middle;
                }
                else
                {
                    low = middle + 1;
                }
            }
            // Within the last group that is needed, by pages, as every size is.
            ulong end = low == _geometry.GroupCount ? _geometry.BlocksCount : _geometry.GroupStart(low);
            ulong page = Math.Max(1, Ext4Volume.PageSize / (uint)_geometry.BlockSize);
            ulong from = ((_geometry.GroupStart(low - 1) + Ext4Volume.SmallestGroup(_geometry, low - 1) + page - 1) / page), to = end / page;
            if (from >= to || WhyNot(to * page) is not null)
            {
                return end;
            }
            while (from < to)
            {
                ulong middle = from + ((to - from) / 2);
                if (WhyNot(middle * page) is null)
                {
                    to = middle;
                }
                else
                {
                    from = middle + 1;
                }
            }
            return to * page;
        }
    }

    /// <summary>Why the volume cannot have so few blocks; null if it can.</summary>
    /// <param name="blocks">More than <see cref="Geometry.FirstDataBlock"/>.</param>
    public string? WhyNot(ulong blocks)
    {
        if (blocks >= _geometry.BlocksCount)
        {
            return null;
        }
        if (_fixed is not null)
        {
            return _fixed;
        }
        uint last = _geometry.GroupOfBlock(blocks - 1);
        uint kept = last + 1;
        ulong keptInodes = (ulong)kept * _geometry.InodesPerGroup;
        if (keptInodes <= _geometry.FirstInode)
        {
            return "there would be too few inodes";
        }
        if (_volume.Orphans.HasFile && _volume.Superblock.OrphanFileInode > keptInodes)
        {
            return $"the orphan file is inode {_volume.Superblock.OrphanFileInode}, which cannot be moved";
        }
        if (_geometry.Has(CompatFeatures.HasJournal) && _volume.Superblock.JournalInode > keptInodes)
        {
            return $"the journal is inode {_volume.Superblock.JournalInode}, which cannot be moved";
        }
        if (MetadataBehind(blocks, kept) is { } group)
        {
            return $"the metadata of group {group} is in the way, which cannot be moved";
        }
        return WhyTooFull(blocks, last) ?? (new JournalMover(_volume, blocks).IsStuck()
            ? "the journal would have to move, and it or the room for it is in too many pieces" : null);
    }

    private string? WhyTooFull(ulong blocks, uint last)
    {
        ulong toMove = 0, room = 0, inodesToMove = 0, inodeRoom = 0;
        for (uint group = 0; group < _geometry.GroupCount; group++)
        {
            room += group < last ? _free[group] : 0;
            toMove += group > last ? _used[group] : 0;
            if (group <= last)
            {
                inodeRoom += _geometry.InodesPerGroup - _inodes[group];
            }
            else
            {
                inodesToMove += _inodes[group];
            }
        }
        if (inodesToMove > inodeRoom)
        {
            return $"{inodesToMove} inodes would have to move, and there is room for {inodeRoom}";
        }
        if (inodesToMove > 0 && _geometry.Has(CompatFeatures.StableInodes))
        {
            return "inodes would have to move, and the volume has the feature stable_inodes";
        }
        uint cut = (uint)(blocks - _geometry.GroupStart(last)), bits = _geometry.BlocksInGroup(last);
        uint usedBehind = cut < bits ? _volume.Blocks.CountUsed(last, (int)cut, withoutMetadata: true) : 0;
        uint freeBehind = cut < bits ? bits - cut - _volume.Blocks.CountUsed(last, (int)cut, withoutMetadata: false) : 0;
        toMove += usedBehind;
        room += _free[last] - Math.Min(_free[last], freeBehind);
        // Nodes of extent trees whose files end up in more pieces.
        ulong slack = toMove == 0 ? 0 : (toMove / 128) + 8;
        return toMove + slack > room
            ? $"{toMove} blocks of files would have to move, and there is room for {room - Math.Min(room, slack)}" : null;
    }

    private uint MetadataIn(uint group)
    {
        uint blocks = 0;
        for (int at = -1; _volume.Groups.Zone.TryNext(group, ref at, out BlockRun part);)
        {
            blocks += (uint)(part.End - part.Start);
        }
        return blocks;
    }

    private uint? MetadataBehind(ulong blocks, uint kept)
    {
        for (uint group = 0; group < kept; group++)
        {
            ref GroupState state = ref _volume.Groups.Get(group);
            if (state.BlockBitmap >= blocks || state.InodeBitmap >= blocks || state.InodeTable + _geometry.InodeTableBlocks > blocks ||
                (_geometry.HasSuperblock(group) &&
                 _geometry.GroupStart(group) + 1 + _geometry.DescriptorBlocks + _geometry.ReservedDescriptorBlocks > blocks))
            {
                return group;
            }
        }
        return null;
    }

    // Bad blocks and the like have a place, or are not known; the others are moved in ways of their own.
    private string? FindFixed()
    {
        for (uint number = 1; number < _geometry.FirstInode; number++)
        {
            if (number is Ext4Volume.RootInode or ResizeInodeMap.Number || number == _volume.Superblock.JournalInode)
            {
                continue;
            }
            using MetadataBuffer buffer = _volume.Inodes.GetRaw(number, out Span<byte> raw);
            if (ReadUInt32LittleEndian(raw[SectorsAt..]) != 0)
            {
                return number == 1 ? "the volume has bad blocks, which cannot be moved" : $"inode {number} is reserved, and its blocks cannot be moved";
            }
        }
        return null;
    }
}
