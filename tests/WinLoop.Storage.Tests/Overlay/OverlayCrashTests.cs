namespace WinLoop.Storage.Tests.Overlay;

/// <summary>Power cuts over the overlay file: after every recorded operation, with every kind of subset of what was not flushed.</summary>
public sealed class OverlayCrashTests
{
    private const int BaseLength = 9 << 20; // the map has two sectors
    private const int Sector = 512;
    private const int SubsetsOfEachCut = 5;

    // What a sector was made to hold, and by which operation.
    private readonly record struct Version(int Operation, byte[] Content);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void What_was_flushed_is_there_after_any_cut(int seed)
    {
        byte[] content = Pattern.Make(BaseLength, seed);
        var image = new MemoryDevice(content, isReadOnly: true);
        MemoryFile fresh = OverlayBench.NewFile(image);
        var before = new MemoryDevice(OverlayBench.All(fresh));
        var recording = new RecordingDevice(fresh);
        var versions = new Dictionary<long, List<Version>>();
        RunWorkload(OverlayBench.Open(image, recording), recording, versions, seed);

        RecordedOperation[] log = recording.GetLog();
        var random = new Random(seed);
        int cuts = 0, kept = 0;
        for (int cut = 0; cut <= log.Length; cut++)
        {
            (int flushed, int begun) = StateAt(log, cut);
            (List<RecordedOperation> durable, List<RecordedOperation> pending) = RecordingDevice.Cut(log, cut);
            for (int i = 0; i < SubsetsOfEachCut; i++)
            {
                List<RecordedOperation> some = i switch
                {
                    0 => pending,
                    1 => [],
                    _ => OverlayBench.SomeOf(pending, random),
                };
                using OverlayDevice found = RecordingDevice.Replay(before, [.. durable, .. some]);
                using OverlayFileDevice device = OverlayBench.Open(image, found);
                Verify(device, versions, content, flushed, begun, $"seed {seed}, cut {cut} of {log.Length}, subset {i}");
                cuts++;
                kept += flushed >= 0 ? 1 : 0;
            }
        }

        Assert.True(cuts > 1000 && kept > cuts / 2, $"{cuts} cuts, {kept} after a flush");
        Assert.True(content.AsSpan().SequenceEqual(OverlayBench.All(image)), "the base has changed");
    }

    private static void RunWorkload(OverlayFileDevice device, RecordingDevice recording, Dictionary<long, List<Version>> versions, int seed)
    {
        var random = new Random(seed);
        for (int operation = 0; operation < 120; operation++)
        {
            recording.Mark($"begin {operation}");
            // Few places, so that blocks are written again; around the border between the two sectors of the map.
            long offset = ((2016 * 4096L) + ((random.Next(32) - 16) * 4096L) + (random.Next(8) * Sector));
            int length = random.Next(3) == 0 ? Sector * random.Next(1, 8) : 4096 * random.Next(1, 4);
            byte[] data = Pattern.Make(length, (seed * 1000) + operation);
            switch (random.Next(6))
            {
                case 0:
                    data.AsSpan().Clear();
                    Note(versions, offset, data, operation);
                    device.WriteZeroes(offset, length);
                    break;
                case 1:
                    device.Flush();
                    recording.Mark($"flushed {operation}");
                    break;
                default:
                    Note(versions, offset, data, operation);
                    device.Write(data, offset);
                    break;
            }
        }
    }

    private static void Note(Dictionary<long, List<Version>> versions, long offset, byte[] data, int operation)
    {
        for (int i = 0; i < data.Length; i += Sector)
        {
            if (!versions.TryGetValue((offset + i) / Sector, out List<Version>? list))
            {
                versions[(offset + i) / Sector] = list = [];
            }

            list.Add(new Version(operation, data[i..(i + Sector)]));
        }
    }

    private static (int Flushed, int Begun) StateAt(RecordedOperation[] log, int cut)
    {
        int flushed = -1, begun = -1;
        foreach (string text in log.Take(cut).Where(o => o.Kind == RecordedKind.Mark).Select(o => o.Text!))
        {
            int number = int.Parse(text.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture);
            (flushed, begun) = text[0] == 'f' ? (number, begun) : (flushed, number);
        }

        return (flushed, begun);
    }

    // A sector holds what the last flush made certain, or what was written later.
    private static void Verify(OverlayFileDevice device, Dictionary<long, List<Version>> versions, byte[] content, int flushed, int begun, string when)
    {
        byte[] found = new byte[Sector];
        foreach ((long sector, List<Version> list) in versions)
        {
            device.Read(found, sector * Sector);
            int certain = list.FindLastIndex(v => v.Operation <= flushed);
            bool isRight = certain < 0 ? content.AsSpan((int)sector * Sector, Sector).SequenceEqual(found) : list[certain].Content.AsSpan().SequenceEqual(found);
            for (int i = certain + 1; i < list.Count && !isRight; i++)
            {
                isRight = list[i].Operation <= begun && list[i].Content.AsSpan().SequenceEqual(found);
            }

            Assert.True(isRight, $"{when}: sector {sector} holds neither what was flushed nor what was written since");
        }
    }
}
