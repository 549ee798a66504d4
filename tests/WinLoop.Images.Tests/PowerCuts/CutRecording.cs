using WinLoop.Storage;

namespace WinLoop.Images.Tests.PowerCuts;

/// <summary>A workload on a disk in a container: what the caller did and was promised, beside what the file saw.</summary>
internal sealed class CutRecording
{
    private readonly byte[] _start;
    private readonly byte[] _startContent;
    private readonly List<Event> _events = [];

    private CutRecording(byte[] start, byte[] startContent)
    {
        _start = start;
        _startContent = startContent;
        File = new RecordingFile(new MemoryFile(start));
    }

    /// <summary>What the container lives in.</summary>
    public RecordingFile File { get; }

    /// <summary>Begins with a file.</summary>
    /// <param name="start">The container; all of it is durable.</param>
    /// <param name="content">What the disk in it holds.</param>
    public static CutRecording Begin(byte[] start, byte[] content) => new(start, content);

    /// <summary>Writes to the disk.</summary>
    public void Write(IBlockDevice disk, long offset, byte[] data)
    {
        _events.Add(new Event(File.Log.Count, offset, data));
        disk.Write(data, offset);
    }

    /// <summary>Writes zeroes to the disk.</summary>
    public void Zero(IBlockDevice disk, long offset, int length)
    {
        _events.Add(new Event(File.Log.Count, offset, new byte[length]));
        disk.WriteZeroes(offset, length);
    }

    /// <summary>Flushes the disk: what was written before is promised.</summary>
    public void Flush(IBlockDevice disk)
    {
        disk.Flush();
        _events.Add(new Event(File.Log.Count, 0, null));
    }

    /// <summary>The states that a cut before, after or within any operation can leave.</summary>
    /// <param name="seed">Of the subsets.</param>
    /// <param name="subsets">Random subsets of what is not flushed, for each operation.</param>
    /// <returns>The file, valid up to the next step; what the disk in it may hold; how many operations had reached the file, of
    /// which those after the last flush may be missing.</returns>
    public IEnumerable<(StateFile File, Expectation Expected, int Operations, string Name)> States(int seed, int subsets)
    {
        var random = new Random(seed);
        var state = new StateFile(_start);
        var expected = new Expectation((byte[])_startContent.Clone());
        var pending = new List<FileOperation>();
        int next = 0;
        for (int k = 0; k <= File.Log.Count; k++)
        {
            // What the caller had begun, and been told, when k operations had reached the file.
            for (; next < _events.Count && _events[next].Position <= k; next++)
            {
                expected.Add(_events[next].Offset, _events[next].Data);
            }

            foreach ((Func<int, bool> keeps, int tornBytes, string name) in Choices(random, pending, subsets))
            {
                for (int i = 0; i < pending.Count; i++)
                {
                    if (keeps(i))
                    {
                        state.Apply(pending[i], i == pending.Count - 1 ? tornBytes : int.MaxValue);
                    }
                }

                yield return (state, expected, k, $"cut {k} {name}, seed {seed}");
                state.IsReadOnly = false;
                state.Reset();
            }

            if (k == File.Log.Count)
            {
                break;
            }

            if (File.Log[k].Kind == FileOperationKind.Flush)
            {
                pending.ForEach(operation => state.Apply(operation));
                state.Settle();
                pending.Clear();
            }
            else
            {
                pending.Add(File.Log[k]);
            }
        }
    }

    private static IEnumerable<(Func<int, bool> Keeps, int TornBytes, string Name)> Choices(Random random, List<FileOperation> pending, int subsets)
    {
        yield return (_ => true, int.MaxValue, "all");
        if (pending.Count == 0)
        {
            yield break;
        }

        FileOperation last = pending[^1];
        if (last.Kind == FileOperationKind.Write && last.Length > 512)
        {
            int torn = 512 * random.Next(1, (int)(last.Length / 512) + 1);
            yield return (_ => true, torn, $"torn after {torn} bytes");
            yield return (i => i == pending.Count - 1, torn, $"only the last, torn after {torn} bytes");
        }

        if (pending.Count == 1)
        {
            yield break;
        }

        int missing = random.Next(pending.Count - 1);
        yield return (i => i != missing, int.MaxValue, $"without pending {missing}");
        for (int i = 0; i < subsets; i++)
        {
            int share = random.Next(1, 8), salt = random.Next();
            bool[] kept = [.. pending.Select(_ => random.Next(8) < share)];
            yield return (n => kept[n], int.MaxValue, $"subset {string.Concat(kept.Select(b => b ? '1' : '0'))}");
        }
    }

    private readonly record struct Event(int Position, long Offset, byte[]? Data);
}
