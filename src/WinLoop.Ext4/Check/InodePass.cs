using WinLoop.Ext4.Format;

namespace WinLoop.Ext4.Check;

/// <summary>Pass 1: all inodes, group by group; then who claims what was claimed twice.</summary>
internal sealed class InodePass(CheckState state)
{
    private readonly List<InodeScanner> _scanners = [];
    private readonly Lock _progress = new();
    private int _nextGroup;

    public void Run()
    {
        while (_scanners.Count < state.Threads)
        {
            _scanners.Add(new InodeScanner(state));
        }
        for (int i = 0; i < state.Threads; i++)
        {
            _scanners[i].Reset();
        }
        Scan(probe: false);
        Gather();
        for (int i = 0; i < state.Threads; i++)
        {
            state.HasLargeFile |= _scanners[i].HasLargeFile;
        }
        if (state.HasLargeFile && !state.Geometry.Has(RoCompatFeatures.LargeFile))
        {
            state.Findings.Add(1, FindingCode.LargeFileFeature, "there are files of 2 GiB and more, but the large_file feature is missing");
        }
        state.AttributeBlocks.Report(state.Findings);
        if (state.Claims.HasConflicts)
        {
            Scan(probe: true);
        }
    }

    private void Scan(bool probe)
    {
        _nextGroup = -1;
        int groups = (int)state.Geometry.GroupCount;
        if (state.Threads == 1)
        {
            for (int group = 0; group < groups; group++)
            {
                ScanGroup(_scanners[0], group, groups, probe);
            }
            return;
        }
        Workers.Run(state.Threads, worker =>
        {
            for (int group; (group = Interlocked.Increment(ref _nextGroup)) < groups;)
            {
                ScanGroup(_scanners[worker], group, groups, probe);
            }
        });
    }

    private void ScanGroup(InodeScanner scanner, int group, int groups, bool probe)
    {
        state.Options.Cancellation.ThrowIfCancellationRequested();
        scanner.ScanGroup((uint)group, probe);
        if (state.Options.Progress is { } progress && !probe)
        {
            lock (_progress)
            {
                progress(new CheckProgress(1, group + 1, groups));
            }
        }
    }

    // The directories of all threads in one array by inode number, their blocks in the same order.
    private void Gather()
    {
        int total = 0;
        for (int i = 0; i < state.Threads; i++)
        {
            total += _scanners[i].Directories.Count;
        }
        if (state.Threads == 1)
        {
            state.Directories.AddRange(_scanners[0].Directories.Span);
            state.DirectoryBlocks.AddRange(_scanners[0].DirectoryBlocks.Span);
            return;
        }
        uint[] inodes = new uint[total];
        var places = new (int Scanner, int Index)[total];
        int at = 0;
        for (int i = 0; i < state.Threads; i++)
        {
            for (int j = 0; j < _scanners[i].Directories.Count; j++)
            {
                inodes[at] = _scanners[i].Directories[j].Inode;
                places[at++] = (i, j);
            }
        }
        Array.Sort(inodes, places);
        foreach ((int scanner, int index) in places)
        {
            CheckedDirectory directory = _scanners[scanner].Directories[index];
            Span<CheckedDirectoryBlock> blocks = _scanners[scanner].DirectoryBlocks.Span.Slice(directory.FirstBlock, directory.BlockCount);
            directory.FirstBlock = state.DirectoryBlocks.Count;
            foreach (ref CheckedDirectoryBlock block in blocks)
            {
                block.Directory = state.Directories.Count;
            }
            state.DirectoryBlocks.AddRange(blocks);
            state.Directories.Add(directory);
        }
    }
}
