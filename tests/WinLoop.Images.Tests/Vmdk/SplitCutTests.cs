using WinLoop.Images.Tests.PowerCuts;
using WinLoop.Images.Tests.Vhdx;
using WinLoop.Storage;

namespace WinLoop.Images.Tests.Vmdk;

/// <summary>Power cuts of a disk in several files: each has its own flush, and the promise is for all of them.</summary>
public sealed class SplitCutTests(ITestOutputHelper output)
{
    private const int MiB = 1 << 20;
    private const int PartSize = 3 * MiB;

    [Theory]
    [InlineData("SPARSE")]
    [InlineData("FLAT")]
    public void AnyCut_LeavesWhatWasFlushed(string type)
    {
        int seed = DiskFiles.Seed();
        var random = new Random(seed);
        string offset = type == "FLAT" ? " 0" : "";
        byte[] text = VmdkFiles.Descriptor(
            type == "FLAT" ? "twoGbMaxExtentFlat" : "twoGbMaxExtentSparse",
            [.. Enumerable.Range(0, 3).Select(i => $"RW {PartSize / 512} {type} \"{i}\"{offset}")]);
        byte[][] starts = [.. Enumerable.Range(0, 3).Select(_ => type == "FLAT" ? new byte[PartSize] : VmdkFiles.SparsePart(PartSize)), text];
        var log = new List<(int File, FileOperation? Operation)>();
        var promises = new List<(int Position, long Offset, byte[]? Data)>();
        Record(starts, log, promises, random);
        int states = Replay(starts, log, promises, random, seed);
        output.WriteLine($"{log.Count} operations, {states} states, seed {seed}");
        Assert.True(states > 200, $"{states} states, seed {seed}");
    }

    private static void Record(
        byte[][] starts, List<(int File, FileOperation? Operation)> log, List<(int Position, long Offset, byte[]? Data)> promises, Random random)
    {
        RecordingFile[] files = [.. starts.Select(start => new RecordingFile(new MemoryFile(start)))];
        int[] taken = new int[files.Length];
        void Take()
        {
            // After each call. The order between the files within one call is lost; no promise hangs on it.
            for (int i = files.Length - 1; i >= 0; i--)
            {
                for (; taken[i] < files[i].Log.Count; taken[i]++)
                {
                    log.Add((i, files[i].Log[taken[i]]));
                }
            }
        }

        var byName = Enumerable.Range(0, 3).ToDictionary(i => $"{i}", i => (IGrowableDevice)files[i]);
        for (int session = 0; session < 2; session++)
        {
            using (IBlockDevice disk = VmdkFiles.Open(files[3], byName))
            {
                for (int i = 0; i < 40; i++)
                {
                    if (random.Next(5) == 0)
                    {
                        disk.Flush();
                        Take();
                        promises.Add((log.Count, 0, null));
                        continue;
                    }

                    byte[] data = new byte[512 * random.Next(1, 30)];
                    random.NextBytes(data);
                    long at = random.Next(3) == 0
                        ? (PartSize * random.Next(1, 3)) - (data.Length / 1024 * 512) // over a border
                        : random.Next(((3 * PartSize) - data.Length) / 512) * 512L;
                    promises.Add((log.Count, at, data));
                    disk.Write(data, at);
                    Take();
                }
            }

            Take();
        }
    }

    private static int Replay(
        byte[][] starts, List<(int File, FileOperation? Operation)> log, List<(int Position, long Offset, byte[]? Data)> promises, Random random, int seed)
    {
        StateFile[] states = [.. starts.Select(start => new StateFile(start))];
        var pending = starts.Select(_ => new List<FileOperation>()).ToArray();
        var expected = new Expectation(new byte[3 * PartSize]);
        int next = 0, count = 0;
        for (int k = 0; k <= log.Count; k++)
        {
            for (; next < promises.Count && promises[next].Position <= k; next++)
            {
                expected.Add(promises[next].Offset, promises[next].Data);
            }

            for (int subset = 0; subset < 3; subset++)
            {
                int share = subset == 0 ? 8 : random.Next(8);
                for (int i = 0; i < states.Length; i++)
                {
                    foreach (FileOperation operation in pending[i])
                    {
                        if (random.Next(8) < share)
                        {
                            states[i].Apply(operation);
                        }
                    }
                }

                count++;
                Check(states, expected, $"cut {k}, subset {subset}, seed {seed}");
                Array.ForEach(states, state =>
                {
                    state.IsReadOnly = false;
                    state.Reset();
                });
            }

            if (k < log.Count && log[k] is { File: var file, Operation: { } done })
            {
                if (done.Kind == FileOperationKind.Flush)
                {
                    pending[file].ForEach(operation => states[file].Apply(operation));
                    states[file].Settle();
                    pending[file].Clear();
                }
                else
                {
                    pending[file].Add(done);
                }
            }
        }

        return count;
    }

    private static void Check(StateFile[] states, Expectation expected, string name)
    {
        Array.ForEach(states, state => state.IsReadOnly = true);
        var byName = Enumerable.Range(0, 3).ToDictionary(i => $"{i}", i => (IGrowableDevice)states[i]);
        using IBlockDevice disk = VmdkFiles.Open(states[3], byName, isReadOnly: true);
        string? wrong = expected.Check(DiskFiles.ReadAll(disk));
        Assert.True(wrong is null, $"{name}: {wrong}");
    }
}
