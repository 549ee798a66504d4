using WinLoop.Ext4.Format;

namespace WinLoop.Ext4.Check;

/// <summary>Pass 3: every directory is reached from the root. Pass 4: every inode has as many names as it says.</summary>
internal sealed class ConnectivityPass(CheckState state)
{
    private const int LinkMaximum = 65000;

    // By directory: 0 = not looked at, 1 = reaches the root or was reported, else the walk that came by.
    private readonly Growable<int> _walk = new();

    public void Run()
    {
        FindingSink findings = state.Findings;
        int root = state.FindDirectory(Ext4Volume.RootInode);
        if (root < 0)
        {
            findings.Add(3, FindingCode.RootDirectory, "the root directory is missing", Ext4Volume.RootInode);
        }
        else if (state.LostAndFound == 0)
        {
            findings.Add(3, FindingCode.LostAndFound, "there is no lost+found directory", Ext4Volume.RootInode);
        }
        _walk.Reset(state.Directories.Count);
        for (int i = 0; i < state.Directories.Count; i++)
        {
            CheckParent(i, isRoot: i == root);
            FollowToRoot(i, root);
        }
        CheckLinks();
    }

    private void CheckParent(int index, bool isRoot)
    {
        ref CheckedDirectory directory = ref state.Directories[index];
        uint parent = isRoot ? Ext4Volume.RootInode : directory.Parent;
        if (parent == 0)
        {
            if ((state.StateOf(directory.Inode) & InodeState.Orphan) == 0)
            {
                state.Findings.Add(3, FindingCode.UnconnectedDirectory, "the directory has no name", directory.Inode);
            }
            return;
        }
        if (directory.DotDot == parent)
        {
            return;
        }
        if (directory.DotDot != 0)
        {
            state.Findings.Add(3, FindingCode.WrongParent, $"\"..\" names inode {directory.DotDot}, the parent is {parent}", directory.Inode);
            // The links are counted as they should be, or one mistake would be three.
            if (directory.DotDot <= state.Geometry.InodesCount && state.SlotOf(directory.DotDot) is >= 0 and var wrong)
            {
                state.Names[wrong]--;
            }
        }
        if (state.SlotOf(parent) is >= 0 and var right)
        {
            state.Names[right]++;
        }
    }

    private void FollowToRoot(int index, int root)
    {
        int walk = index + 2;
        int at = index;
        while (at >= 0 && at != root && _walk[at] == 0)
        {
            _walk[at] = walk;
            uint parent = state.Directories[at].Parent;
            at = parent == 0 ? -1 : state.FindDirectory(parent);
        }
        if (at >= 0 && at != root && _walk[at] == walk)
        {
            state.Findings.Add(3, FindingCode.DirectoryLoop, "the directory is its own ancestor", state.Directories[at].Inode);
        }
    }

    private void CheckLinks()
    {
        bool canOverflow = state.Geometry.Has(RoCompatFeatures.DirNlink);
        for (uint group = 0; group < state.Geometry.GroupCount; group++)
        {
            int first = state.FirstSlot[(int)group];
            int count = (int)state.ReadableInodes[(int)group];
            Span<byte> states = state.States.Items.AsSpan(first, count);
            Span<ushort> links = state.Links.Items.AsSpan(first, count);
            Span<int> names = state.Names.Items.AsSpan(first, count);
            uint inode = (group * state.Geometry.InodesPerGroup) + 1;
            for (int i = 0; i < states.Length; i++)
            {
                var known = (InodeState)states[i];
                if ((known & InodeState.InUse) == 0 || (known & InodeState.Hidden) != 0 || links[i] == names[i])
                {
                    continue;
                }
                bool isDirectory = (known & InodeState.TypeMask) == (InodeState)(byte)DirectoryEntryType.Directory;
                CheckCount(inode + (uint)i, known, links[i], names[i], isDirectory, canOverflow);
            }
        }
    }

    private void CheckCount(uint inode, InodeState known, ushort links, int names, bool isDirectory, bool canOverflow)
    {
        if (isDirectory)
        {
            int index = state.FindDirectory(inode);
            if (index >= 0 && state.Directories[index].Parent == 0 && inode != Ext4Volume.RootInode)
            {
                return; // reported as unconnected
            }
            // An indexed directory with too many subdirectories says 1, and goes on saying it when some are removed.
            if (canOverflow && links == 1 && index >= 0 && state.Directories[index].IsIndexed)
            {
                if (names <= LinkMaximum)
                {
                    state.Findings.Add(4, FindingCode.LinkOverflow, $"a directory of {names} links says 1: it had more than {LinkMaximum} once", inode);
                }
                return;
            }
        }
        if (names == 0)
        {
            if ((known & InodeState.Orphan) == 0)
            {
                state.Findings.Add(4, FindingCode.UnattachedInode, "in use, but without a name", inode);
            }
            else
            {
                state.Findings.Add(4, FindingCode.LinkCount, $"an orphan without a name has {links} links", inode);
            }
            return;
        }
        int right = isDirectory && names > LinkMaximum ? 1 : names;
        if (links != right)
        {
            state.Findings.Add(4, FindingCode.LinkCount, $"the link count is {links}, there are {names} names", inode);
        }
    }
}
