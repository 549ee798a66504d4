using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;

namespace WinLoop.Ext4.Allocation;

// Which group a new inode goes to. The unit for directories is the flex group, whose bitmaps and tables lie
// together: those of the root are spread, deeper ones stay near their parent while it has room (Orlov).
internal sealed partial class InodeAllocator
{
    // A larger flex group only means that its groups' metadata lie together; it is looked at in pieces.
    private const uint MaximumFlex = 64;
    // Flex groups compared for one directory.
    private const uint Candidates = 8;

    private readonly uint _flexGroups;
    private uint _spread;

    private uint AllocateFile(Handle handle, uint home)
    {
        uint groups = _geometry.GroupCount;
        uint number = TryWithBlocks(handle, home);
        if (number != 0)
        {
            return number;
        }
        uint first = home - (home % _flexGroups);
        uint last = Math.Min(first + _flexGroups, groups);
        for (uint group = first; group < last; group++)
        {
            if ((number = TryWithBlocks(handle, group)) != 0)
            {
                return number;
            }
        }
        for (uint step = 1; step < groups; step <<= 1)
        {
            if ((number = TryWithBlocks(handle, (uint)(((ulong)home + step) % groups))) != 0)
            {
                return number;
            }
        }
        return 0;
    }

    // A file's inode wants room for its blocks in the same group.
    private uint TryWithBlocks(Handle handle, uint group) =>
        _bitmaps.Hints[group] != 0 && _groups.Get(group).FreeBlocks > 0 ? TryAllocate(handle, group, isDirectory: false) : 0;

    private uint AllocateDirectory(Handle handle, Inode parent, uint home)
    {
        uint groups = _geometry.GroupCount;
        uint flexes = (groups + _flexGroups - 1) / _flexGroups;
        long freeInodes = Volatile.Read(ref _free), freeBlocks = (long)_volume.Blocks.FreeBlocks;
        long averageInodes = freeInodes / flexes, averageBlocks = freeBlocks / flexes;
        bool spread = parent.Number == Ext4Volume.RootInode || (parent.Flags & InodeFlags.TopDir) != 0;
        uint start = home / _flexGroups;
        long maximumDirectories = long.MaxValue, minimumInodes = averageInodes, minimumBlocks = averageBlocks;
        if (spread)
        {
            // Steps by the golden ratio come near every flex group soon, whatever their number is.
            start = (uint)((ulong)unchecked(Interlocked.Add(ref _spread, 0x9E3779B9)) * flexes >> 32);
        }
        else
        {
            maximumDirectories = (Volatile.Read(ref _directories) / flexes) + ((long)_geometry.InodesPerGroup * _flexGroups / 16);
            minimumInodes = Math.Max(1, averageInodes - ((long)_geometry.InodesPerGroup * _flexGroups / 4));
            minimumBlocks = averageBlocks - ((long)_geometry.BlocksPerGroup * _flexGroups / 4);
        }
        long fewest = long.MaxValue;
        uint best = uint.MaxValue;
        for (uint i = 0; i < Math.Min(flexes, Candidates); i++)
        {
            uint flex = (uint)(((ulong)start + i) % flexes);
            (long inodes, long blocks, long directories) = Measure(flex);
            if (inodes == 0 || inodes < minimumInodes || blocks < minimumBlocks || directories >= Math.Min(fewest, maximumDirectories))
            {
                continue;
            }
            fewest = directories;
            best = flex;
            if (!spread || directories == 0)
            {
                break;
            }
        }
        return best == uint.MaxValue ? 0 : AllocateInFlex(handle, best, spread ? uint.MaxValue : home);
    }

    private uint AllocateInFlex(Handle handle, uint flex, uint preferred)
    {
        uint first = flex * _flexGroups;
        uint last = Math.Min(first + _flexGroups, _geometry.GroupCount);
        uint number;
        if (preferred >= first && preferred < last && (number = TryAllocate(handle, preferred, isDirectory: true)) != 0)
        {
            return number;
        }
        for (uint group = first; group < last; group++)
        {
            if ((number = TryAllocate(handle, group, isDirectory: true)) != 0)
            {
                return number;
            }
        }
        return 0;
    }

    private uint AllocateAnywhere(Handle handle, uint home, bool isDirectory)
    {
        ushort[] hints = _bitmaps.Hints;
        int at = (int)home, end = hints.Length;
        for (int pass = 0; pass < 2; pass++)
        {
            while (at < end)
            {
                int skipped = hints.AsSpan(at, end - at).IndexOfAnyExcept((ushort)0);
                if (skipped < 0)
                {
                    break;
                }
                at += skipped;
                uint number = TryAllocate(handle, (uint)at, isDirectory);
                if (number != 0)
                {
                    return number;
                }
                at++;
            }
            at = 0;
            end = (int)home;
        }
        return 0;
    }

    // Sums over the groups of one flex group; not exact while others allocate.
    private (long Inodes, long Blocks, long Directories) Measure(uint flex)
    {
        long inodes = 0, blocks = 0, directories = 0;
        uint first = flex * _flexGroups;
        uint last = Math.Min(first + _flexGroups, _geometry.GroupCount);
        for (uint group = first; group < last; group++)
        {
            ref GroupState state = ref _groups.Get(group);
            inodes += state.FreeInodes;
            blocks += state.FreeBlocks;
            directories += state.UsedDirectories;
        }
        return (inodes, blocks, directories);
    }
}
