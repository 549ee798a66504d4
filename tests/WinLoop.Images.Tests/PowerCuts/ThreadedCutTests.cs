using WinLoop.Images.Tests.Vhdx;
using WinLoop.Images.Vdi;
using WinLoop.Images.Vhd;
using WinLoop.Images.Vhdx;
using WinLoop.Storage;

namespace WinLoop.Images.Tests.PowerCuts;

/// <summary>Several threads write and flush at the same time, and the power goes: what a thread had flushed is there.</summary>
public sealed class ThreadedCutTests(ITestOutputHelper output)
{
    private const int MiB = 1 << 20;
    private const int Size = 24 * MiB;
    private const int Room = 28 * MiB;
    private const int Slot = 3000; // never a whole sector: neighbours share one
    private const int Threads = 4;

    [Theory]
    [InlineData("VHDX")]
    [InlineData("differencing VHDX")]
    [InlineData("VHD")]
    [InlineData("VDI")]
    public void AnyCut_LeavesWhatEachThreadFlushed(string kind)
    {
        int seed = DiskFiles.Seed();
        byte[] old = new byte[Size];
        var start = new MemoryFile();
        MemoryFile? parent = null;
        switch (kind)
        {
            case "VHDX":
                VhdxImage.Create(start, Size);
                break;
            case "VHD":
                VhdImage.Create(start, Size, blockSize: MiB);
                break;
            case "VDI":
                VdiImage.Create(start, Size);
                break;
            default:
                old = DiskFiles.Noise(Size, seed, share: 1);
                parent = MakeParent(old, start);
                break;
        }

        // The file has its full size from the beginning, and what is behind the structures is not zero.
        byte[] image = new byte[start.Length + Room];
        image.AsSpan().Fill(0xEE);
        DiskFiles.ReadAll(start).CopyTo(image, 0);
        if (kind == "VHD")
        {
            image.AsSpan(0, 512).CopyTo(image.AsSpan(image.Length - 512));
        }

        var recording = new RecordingDevice(new MemoryFile(image));
        List<Promise> promises = Work(recording, parent, seed);
        RecordedOperation[] log = recording.GetLog();
        var random = new Random(seed);
        int kept = 0;
        var before = new MemoryDevice(image);
        const int RandomCuts = 30;
        // The worst that can be: of all that is not flushed only the mapping has reached the disk.
        int[] mappings = [.. Enumerable.Range(0, log.Length)
            .Where(n => log[n] is { Tag: WriteTag.JournalDescriptor } or { Tag: WriteTag.Metadata, Length: <= 4096 })];
        foreach ((int count, int share) in Enumerable.Range(0, RandomCuts).Select(_ => (random.Next(log.Length + 1), random.Next(9)))
            .Concat(mappings.Select(n => (n + 1, -1))))
        {
            (List<RecordedOperation> durable, List<RecordedOperation> pending) = RecordingDevice.Cut(log, count);
            IEnumerable<RecordedOperation> state = durable
                .Concat(pending.Where(operation => share < 0 ? operation == log[count - 1] : random.Next(8) < share))
                .OrderBy(operation => operation.Sequence);
            long now = count < log.Length ? log[count].Sequence : long.MaxValue;
            using OverlayDevice cut = RecordingDevice.Replay(before, state);
            using IBlockDevice disk = Open(new FixedFile(cut), parent, isReadOnly: true);
            kept += Check(DiskFiles.ReadAll(disk), old, promises, now, $"{kind}, cut {count} of {log.Length}, share {share}, seed {seed}");
        }

        output.WriteLine($"{log.Length} operations, {RandomCuts + mappings.Length} cuts, {kept} promises kept, seed {seed}");
        Assert.True(kept > 1000, $"only {kept} promises");
    }

    private static List<Promise> Work(RecordingDevice recording, MemoryFile? parent, int seed)
    {
        var promises = new List<Promise>();
        int[] places = [.. Enumerable.Range(0, Size / Slot)];
        new Random(seed).Shuffle(places);
        using IBlockDevice disk = Open(new FixedFile(recording) { IsSlow = true }, parent, isReadOnly: false);
        Parallel.For(0, Threads, new ParallelOptions { MaxDegreeOfParallelism = Threads }, thread =>
        {
            var mine = new List<Promise>();
            byte[] content = new byte[Slot];
            content.AsSpan().Fill((byte)(thread + 1));
            for (int i = 0; i < 60; i++)
            {
                int at = places[(i * Threads) + thread] * Slot;
                var promise = new Promise(at, (byte)(thread + 1));
                mine.Add(promise);
                lock (promises)
                {
                    promises.Add(promise);
                }

                disk.Write(content, at);
                if (i % 3 == 2)
                {
                    disk.Flush();
                    long returned = recording.Mark("flushed").Sequence;
                    mine.ForEach(done => done.FlushedAt = Math.Min(done.FlushedAt, returned));
                }
            }
        });
        return promises;
    }

    private static int Check(byte[] content, byte[] old, List<Promise> promises, long now, string name)
    {
        int kept = 0;
        byte[] expected = (byte[])old.Clone();
        foreach (Promise promise in promises)
        {
            Span<byte> slot = content.AsSpan(promise.Offset, Slot);
            if (promise.FlushedAt < now)
            {
                Assert.True(slot.IndexOfAnyExcept(promise.Value) < 0, $"{name}: what was flushed at {promise.Offset} is lost");
                kept++;
            }

            for (int i = 0; i < Slot; i++)
            {
                if (slot[i] != promise.Value && slot[i] != old[promise.Offset + i])
                {
                    Assert.Fail($"{name}: byte {promise.Offset + i} is {slot[i]:x2}");
                }
            }

            slot.CopyTo(expected.AsSpan(promise.Offset));
        }

        Assert.True(content.AsSpan().SequenceEqual(expected), $"{name}: bytes changed that nobody wrote");
        return kept;
    }

    private static IBlockDevice Open(IGrowableDevice file, MemoryFile? parent, bool isReadOnly) =>
        ImageFormats.Find(file)!.Open(file, new ImageFormatOptions { IsReadOnly = isReadOnly, OpenRelated = (_, _) => parent! });

    private static MemoryFile MakeParent(byte[] content, MemoryFile child)
    {
        var parent = new MemoryFile();
        VhdxImage.Create(parent, Size);
        using (IBlockDevice disk = DiskFiles.Open(parent))
        {
            disk.Write(content, 0);
        }

        using IBlockDevice opened = DiskFiles.Open(parent, isReadOnly: true);
        VhdxImage.Create(child, Size, new VhdxCreateOptions { Parent = new VhdxParent(opened, "parent.vhdx") });
        return parent;
    }

    private sealed class Promise(int offset, byte value)
    {
        public int Offset => offset;

        public byte Value => value;

        public long FlushedAt { get; set; } = long.MaxValue;
    }
}
