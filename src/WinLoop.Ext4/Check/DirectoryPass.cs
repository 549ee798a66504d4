using WinLoop.Ext4.Format;
using WinLoop.Storage;

namespace WinLoop.Ext4.Check;

/// <summary>Pass 2: all directory blocks in the order in which they lie on the disk, then the indexes.</summary>
internal sealed class DirectoryPass(CheckState state)
{
    private const int RunBytes = 1 << 18;
    private const int ProgressStep = 1024;

    private readonly List<DirectoryBlockScanner> _scanners = [];
    private readonly HtreeCheck _htree = new(state);
    private readonly Lock _progress = new();
    private ulong[] _physical = [];
    private int[] _order = [];
    private byte[][] _buffers = [];
    private long _done;

    public void Run()
    {
        int count = state.DirectoryBlocks.Count;
        state.LostAndFound = 0;
        if (_order.Length < count)
        {
            _order = new int[state.DirectoryBlocks.Items.Length];
            _physical = new ulong[_order.Length];
        }
        bool isSorted = true;
        for (int i = 0; i < count; i++)
        {
            _order[i] = i;
            _physical[i] = state.DirectoryBlocks[i].Physical;
            isSorted &= i == 0 || _physical[i] > _physical[i - 1];
        }
        if (!isSorted)
        {
            Array.Sort(_physical, _order, 0, count);
        }
        int threads = count < 1024 ? 1 : state.Threads;
        while (_scanners.Count < threads)
        {
            _scanners.Add(new DirectoryBlockScanner(state));
        }
        Array.Resize(ref _buffers, Math.Max(_buffers.Length, threads));
        _done = 0;
        int share = (count + threads - 1) / threads;
        Workers.Run(threads, worker => Scan(worker, Math.Min(count, worker * share), Math.Min(count, (worker + 1) * share)));
        for (int i = 0; i < state.Directories.Count; i++)
        {
            if (state.Directories[i].IsIndexed)
            {
                _htree.Check(i);
            }
        }
    }

    // Blocks that are neighbours are read together.
    private void Scan(int worker, int from, int to)
    {
        int blockSize = state.Geometry.BlockSize;
        byte[] buffer = _buffers[worker] ??= new byte[RunBytes];
        int room = Math.Max(1, RunBytes / blockSize);
        while (from < to)
        {
            state.Options.Cancellation.ThrowIfCancellationRequested();
            int run = 1;
            while (run < room && from + run < to && _physical[from + run] == _physical[from] + (ulong)run)
            {
                run++;
            }
            Span<byte> data = buffer.AsSpan(0, run * blockSize);
            bool isRead = TryRead(data, _physical[from]);
            for (int i = 0; i < run; i++)
            {
                int index = _order[from + i];
                ref CheckedDirectoryBlock block = ref state.DirectoryBlocks[index];
                Span<byte> one = data.Slice(i * blockSize, blockSize);
                if (isRead || state.TryRead(2, one, block.Physical, state.Directories[block.Directory].Inode))
                {
                    _scanners[worker].Check(ref block, one);
                }
            }
            from += run;
            Report(run);
        }
    }

    private bool TryRead(Span<byte> data, ulong block)
    {
        try
        {
            state.Device.Read(data, (long)(block << state.Geometry.BlockSizeBits));
            return true;
        }
        catch (BlockDeviceException)
        {
            return false; // then one by one
        }
    }

    private void Report(int blocks)
    {
        if (state.Options.Progress is { } progress)
        {
            lock (_progress)
            {
                long before = _done;
                _done += blocks;
                if (before / ProgressStep != _done / ProgressStep || _done == state.DirectoryBlocks.Count)
                {
                    progress(new CheckProgress(2, _done, state.DirectoryBlocks.Count));
                }
            }
        }
    }
}
