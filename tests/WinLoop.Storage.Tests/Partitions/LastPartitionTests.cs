namespace WinLoop.Storage.Tests.Partitions;

/// <summary>A partition table is changed so that a cut at any write leaves the old one or the new one.</summary>
public sealed class LastPartitionTests
{
    private const long MiB = 1 << 20;

    private const string Mbr = "label: dos\n2048,20480,6\n22528,122880,83\n", Gpt = "label: gpt\n2048,20480,U\n22528,122880,L\n", WholeGpt = "label: gpt\n2048,,L\n";

    // Sizes in MiB: of the file that gets the table, the image afterwards, the partition and the image that are wanted.
    [Theory]
    [InlineData(Mbr, 2, 100, 100, 20, 31), InlineData(Gpt, 2, 100, 100, 20, 32), InlineData(WholeGpt, 1, 100, 100, 20, 22)]
    [InlineData(Mbr, 2, 100, 150, 139, 150), InlineData(Gpt, 2, 100, 150, 138, 150), InlineData(WholeGpt, 1, 100, 150, 148, 150)]
    [InlineData(Mbr, 2, 100, 150, 20, 31), InlineData(Gpt, 2, 100, 150, 20, 32), InlineData(WholeGpt, 1, 100, 150, 20, 22)]
    [InlineData(Mbr, 2, 100, 100, 89, 100), InlineData(Gpt, 2, 100, 100, 88, 100), InlineData(Gpt, 2, 100, 100, 20, 100)]
    public void Every_cut_leaves_one_of_the_two(string script, int number, int made, int now, int wanted, int kept)
    {
        using MemoryDevice image = MakeDisk(script, made, now);
        Partition before = Find(image, number);
        using var target = new OverlayDevice(image);
        using var recording = new RecordingDevice(target);
        LastPartition last = LastPartition.TryFind(recording, number, out string? whyNot)!;
        Assert.Null(whyNot);
        Assert.Equal(kept * MiB, last.SetLength(wanted * MiB, kept * MiB));
        Assert.Equal(wanted * MiB, last.Length);
        Partition after = Find(target, number);
        Assert.Equal(before.Start, after.Start);
        Assert.Equal(wanted * MiB, after.Length);

        RecordedOperation[] log = recording.GetLog();
        int old = 0, changed = 0;
        for (int cut = 0; cut <= log.Length; cut++)
        {
            (List<RecordedOperation> durable, List<RecordedOperation> pending) = RecordingDevice.Cut(log, cut);
            foreach (RecordedOperation? omitted in pending.Append(null))
            {
                using OverlayDevice state = RecordingDevice.Replay(image, [.. durable, .. pending.Where(o => o != omitted)]);
                long length = Find(state, number).Length;
                Assert.True(length == before.Length || length == after.Length, $"cut {cut} without {omitted}: {length} bytes");
                (old, changed) = length == before.Length ? (old + 1, changed) : (old, changed + 1);
            }
        }
        Assert.True(old > 0 && changed > 0);

        // What is cut off is not needed: the table is the same, and without a warning.
        using var shorter = new MemoryDevice(kept * MiB);
        CopyTables(target, shorter, kept * MiB);
        Assert.Equal(after.Length, Find(shorter, number).Length);
        Assert.Empty(PartitionTable.Read(shorter).Warnings);
        AssertSound(shorter);
        Assert.NotNull(LastPartition.TryFind(shorter, number, out _));
    }

    [Fact]
    public void Lengths_leave_room_for_the_table()
    {
        using MemoryDevice mbr = MakeDisk(Mbr), gpt = MakeDisk(Gpt);
        LastPartition last = LastPartition.TryFind(mbr, 2, out _)!;
        Assert.Equal(0, last.LengthIn(11 * MiB));
        Assert.Equal(512, last.LengthIn((11 * MiB) + 1023));
        Assert.Equal(139 * MiB, last.LengthIn(150 * MiB));
        Assert.Equal((11 * MiB) + 1024, last.ImageLengthFor(513));
        Assert.Equal(uint.MaxValue * 512L, last.MaximumLength);
        Assert.Equal(30 * MiB, last.Align((29 * MiB) + 1));
        Assert.Equal((60 * MiB) - 512, last.Align((60 * MiB) - 600));

        last = LastPartition.TryFind(gpt, 2, out _)!;
        const int tail = 33 * 512;
        Assert.Equal((139 * MiB) - tail, last.LengthIn(150 * MiB));
        Assert.Equal((11 * MiB) + 1024 + tail, last.ImageLengthFor(513));
        Assert.True(last.MaximumLength > 1L << 62);
    }

    [Theory]
    [InlineData(Mbr, 2, 0), InlineData(Gpt, 2, 33 * 512)]
    public void Device_of_a_partition_grows_with_the_image(string script, int number, int tail)
    {
        using MemoryDevice content = MakeDisk(script);
        using var image = new MemoryFile();
        image.SetLength(content.Length);
        CopyTables(content, image, content.Length);
        using var partition = (PartitionDevice)VolumeLocator.Locate(image, number).Device;
        Assert.True(partition.CanResize);
        partition.SetLength(500 * MiB);
        Assert.Equal((500 * MiB, (511 * MiB) + tail), (partition.Length, image.Length));
        partition.Write("end!"u8, (500 * MiB) - 4);
        Assert.Equal(500 * MiB, Find(image, number).Length);
        AssertSound(image);
        // Back: the image is not cut off, what is behind may be somebody's.
        partition.SetLength(60 * MiB);
        Assert.Equal((60 * MiB, (511 * MiB) + tail), (partition.Length, image.Length));
        AssertSound(image);
    }

    [Fact]
    public void Device_of_another_partition_does_not_grow()
    {
        using MemoryDevice image = MakeDisk(Mbr);
        using var partition = (PartitionDevice)VolumeLocator.Locate(image, 2).Device;
        Assert.False(partition.CanResize); // a MemoryDevice has the size that it has
        Assert.Equal(BlockDeviceError.OutOfRange, Assert.Throws<BlockDeviceException>(() => partition.SetLength(70 * MiB)).Error);

        using var file = new MemoryFile();
        file.SetLength(image.Length);
        CopyTables(image, file, image.Length);
        using var first = (PartitionDevice)VolumeLocator.Locate(file, 1).Device;
        Assert.False(first.CanResize);
        Assert.Contains("not the last", Assert.Throws<BlockDeviceException>(() => first.SetLength(70 * MiB)).Message);
        using var second = (PartitionDevice)VolumeLocator.Locate(file, 2).Device;
        Assert.Contains("as far as an MBR can count", Assert.Throws<BlockDeviceException>(() => second.SetLength(1L << 41)).Message);
        Assert.Equal(100 * MiB, file.Length);
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
    public void What_cannot_be_changes_nothing()
    {
        using MemoryDevice mbr = MakeDisk(Mbr), gpt = MakeDisk(WholeGpt);
        LastPartition last = LastPartition.TryFind(mbr, 2, out _)!;
        Assert.Throws<ArgumentOutOfRangeException>(() => last.SetLength(61 * MiB, 71 * MiB));
        Assert.Throws<ArgumentOutOfRangeException>(() => last.SetLength(60 * MiB, 101 * MiB));
        Assert.Throws<ArgumentOutOfRangeException>(() => last.SetLength(0, 100 * MiB));
        Assert.Throws<ArgumentOutOfRangeException>(() => last.SetLength(1L << 41, 1L << 42));
        Assert.Equal(60 * MiB, Find(mbr, 2).Length);

        // A few sectors less: the two places of the backup would overlap.
        last = LastPartition.TryFind(gpt, 1, out _)!;
        long before = last.Length;
        Assert.Equal(100 * MiB, last.SetLength(before - 4096, (100 * MiB) - 4096));
        Assert.Equal((before, before), (last.Length, Find(gpt, 1).Length));
    }

    // No table but a GPT has a second place.
    private static void AssertSound(IBlockDevice image)
    {
        if (PartitionTable.Read(image).Scheme == PartitionScheme.Gpt)
        {
            Assert.NotNull(GptEditor.TryOpen(image, out string? whyNot));
            Assert.Null(whyNot);
            Assert.True(GptTable.IsSound(image, 512, (image.Length / 512) - 1));
        }
    }

    private static Partition Find(IBlockDevice image, int number) => PartitionTable.Read(image).Partitions.Single(p => p.Number == number);

    // They are at both ends, and the rest is zeroes.
    private static void CopyTables(IBlockDevice from, IBlockDevice to, long length)
    {
        byte[] part = new byte[2 * MiB];
        foreach (long at in (long[])[0, length - part.Length])
        {
            from.Read(part, at);
            to.Write(part, at);
        }
    }

    private static MemoryDevice MakeDisk(string script, long made = 100, long now = 100)
    {
        Assert.SkipUnless(File.Exists("/usr/sbin/sfdisk") || File.Exists("/sbin/sfdisk"), "sfdisk is not installed");
        string path = Path.GetTempFileName();
        try
        {
            using (FileStream file = File.OpenWrite(path))
            {
                file.SetLength(made * MiB);
            }
            var start = new System.Diagnostics.ProcessStartInfo("sfdisk", ["-q", path]) { RedirectStandardInput = true };
            start.Environment["PATH"] = Environment.GetEnvironmentVariable("PATH") + ":/usr/sbin:/sbin";
            using System.Diagnostics.Process process = System.Diagnostics.Process.Start(start)!;
            process.StandardInput.Write(script);
            process.StandardInput.Close();
            process.WaitForExit();
            Assert.Equal(0, process.ExitCode);
            var device = new MemoryDevice(now * MiB);
            using LoopDevice disk = LoopDevice.Open(path);
            CopyTables(disk, device, disk.Length);
            return device;
        }
        finally
        {
            File.Delete(path);
        }
    }
}
