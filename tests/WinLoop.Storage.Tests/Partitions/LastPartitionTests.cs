namespace WinLoop.Storage.Tests.Partitions;

/// <summary>A partition table is changed so that a cut at any write leaves the old one or the new one.</summary>
public sealed class LastPartitionTests
{
    private const long MiB = 1 << 20;

    [Theory]
    [InlineData("label: dos\n2048,20480,6\n22528,122880,83\n", 2), InlineData("label: gpt\n2048,20480,U\n22528,122880,L\n", 2), InlineData("label: gpt\n2048,,L\n", 1)]
    public void EveryCutLeavesOneOfTheTwo(string script, int number)
    {
        using MemoryDevice image = MakeDisk(script);
        Partition before = Find(image, number);
        using var target = new OverlayDevice(image);
        using var recording = new RecordingDevice(target);
        LastPartition last = LastPartition.TryFind(recording, number, out string? whyNot)!;
        Assert.Null(whyNot);
        long length = last.Shrink((20 * MiB) + 4096);
        Partition after = Find(target, number);
        Assert.Equal(before.Start, after.Start);
        Assert.Equal(21 * MiB, after.Length);
        Assert.InRange(length, after.Start + after.Length, after.Start + after.Length + (64 << 10));

        RecordedOperation[] log = recording.GetLog();
        int old = 0, changed = 0;
        for (int cut = 0; cut <= log.Length; cut++)
        {
            (List<RecordedOperation> durable, List<RecordedOperation> pending) = RecordingDevice.Cut(log, cut);
            foreach (RecordedOperation? omitted in pending.Append(null))
            {
                using OverlayDevice state = RecordingDevice.Replay(image, [.. durable, .. pending.Where(o => o != omitted)]);
                long now = Find(state, number).Length;
                Assert.True(now == before.Length || now == after.Length, $"cut {cut} without {omitted}: {now} bytes");
                (old, changed) = now == before.Length ? (old + 1, changed) : (old, changed + 1);
            }
        }
        Assert.True(old > 0 && changed > 0);

        // What is cut off is not needed: the table is the same, and without a warning.
        using var shorter = new MemoryDevice(length);
        var content = new byte[length];
        target.Read(content, 0);
        shorter.Write(content, 0);
        Assert.Equal(after.Length, Find(shorter, number).Length);
        Assert.Empty(PartitionTable.Read(shorter).Warnings);
        Assert.Null(GptProblem(shorter));
    }

    [Theory]
    [InlineData("label: dos\n2048,20480,83\n22528,122880,6\n", 1, "not the last"), InlineData("label: gpt\n2048,20480,L\n22528,122880,U\n", 1, "not the last")]
    [InlineData("label: dos\n2048,,E\n4096,122880,83\n", 5, "does not end before it"), InlineData("label: dos\n2048,20480,83\n", 3, "no partition 3")]
    public void OthersAreRefused(string script, int number, string reason)
    {
        using MemoryDevice image = MakeDisk(script);
        Assert.Null(LastPartition.TryFind(image, number, out string? whyNot));
        Assert.Contains(reason, whyNot);
    }

    [Fact]
    public void LargerThanItIsCannotBe()
    {
        using MemoryDevice image = MakeDisk("label: dos\n2048,122880,83\n");
        LastPartition last = LastPartition.TryFind(image, 1, out _)!;
        Assert.Throws<ArgumentOutOfRangeException>(() => last.Shrink(61 * MiB));
        Assert.Throws<ArgumentOutOfRangeException>(() => last.Shrink(0));
        // A few sectors less than a border: nothing is gained, and nothing changes.
        Assert.Equal(image.Length, last.Shrink(60 * MiB));
        Assert.Equal(60 * MiB, Find(image, 1).Length);
    }

    // Null if there is no GPT, or a sound one.
    private static string? GptProblem(IBlockDevice image) => PartitionTable.Read(image).Scheme == PartitionScheme.Gpt ? GptEditor.WhyNot(image) : null;

    private static Partition Find(IBlockDevice image, int number) => PartitionTable.Read(image).Partitions.Single(p => p.Number == number);

    private static MemoryDevice MakeDisk(string script)
    {
        Assert.SkipUnless(File.Exists("/usr/sbin/sfdisk") || File.Exists("/sbin/sfdisk"), "sfdisk is not installed");
        string path = Path.GetTempFileName();
        try
        {
            using (FileStream file = File.OpenWrite(path))
            {
                file.SetLength(100 * MiB);
            }
            var start = new System.Diagnostics.ProcessStartInfo("sfdisk", ["-q", path]) { RedirectStandardInput = true };
            start.Environment["PATH"] = Environment.GetEnvironmentVariable("PATH") + ":/usr/sbin:/sbin";
            using System.Diagnostics.Process process = System.Diagnostics.Process.Start(start)!;
            process.StandardInput.Write(script);
            process.StandardInput.Close();
            process.WaitForExit();
            Assert.Equal(0, process.ExitCode);
            var device = new MemoryDevice(100 * MiB);
            device.Write(File.ReadAllBytes(path), 0);
            return device;
        }
        finally
        {
            File.Delete(path);
        }
    }
}
