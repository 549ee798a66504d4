using WinLoop.Images.Tests.PowerCuts;
using WinLoop.Images.Vhdx;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Images.Tests.Vhdx;

/// <summary>The power goes at any operation of our writer: the VHDX opens, and what was flushed is there.</summary>
public sealed class CutTests(ITestOutputHelper output)
{
    private const int MiB = 1 << 20;
    private const int Size = (16 * MiB) + 512;
    private const int SmallSize = (5 * MiB) + 512;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void AnyCut_LeavesWhatWasFlushed(bool isDifferencing)
    {
        int seed = DiskFiles.Seed();
        var random = new Random(seed);
        byte[] content = new byte[isDifferencing ? SmallSize : Size];
        Func<string, bool, IGrowableDevice>? openRelated = null;
        var file = new MemoryFile();
        if (isDifferencing)
        {
            content = DiskFiles.Noise(SmallSize, seed);
            MemoryFile parent = MakeParent(content, file);
            openRelated = (_, _) => parent;
        }
        else
        {
            VhdxImage.Create(file, Size);
        }

        CutRecording recording = CutRecording.Begin(DiskFiles.ReadAll(file), content);
        for (int session = 0; session < 3; session++)
        {
            using IBlockDevice disk = Open(recording.File, openRelated);
            CutWork.Run(recording, disk, random, 25);
        }

        int states = 0, replayed = 0;
        foreach ((StateFile state, Expectation expected, _, string name) in recording.States(seed, subsets: 3))
        {
            states++;
            replayed += Judge(state, expected, name, openRelated, random);
        }

        output.WriteLine($"{recording.File.Log.Count} operations, {states} states, {replayed} with a log to replay, seed {seed}");
        Assert.True(states > 200 && replayed > 30, $"{states} states, {replayed} replayed, seed {seed}");
    }

    /// <summary>qemu replays the log of our writer as we do.</summary>
    [Fact]
    public void QemuReplaysTheSame()
    {
        Shell.Require("qemu-img");
        int seed = DiskFiles.Seed();
        var random = new Random(seed);
        using var folder = new TemporaryFolder();
        var file = new MemoryFile();
        VhdxImage.Create(file, Size);
        CutRecording recording = CutRecording.Begin(DiskFiles.ReadAll(file), new byte[Size]);
        for (int session = 0; session < 2; session++)
        {
            using IBlockDevice disk = Open(recording.File, null);
            CutWork.Run(recording, disk, random, 20);
        }

        int dirty = 0, changed = 0;
        foreach ((StateFile state, _, _, string name) in recording.States(seed, subsets: 1))
        {
            bool isDirty = IsDirty(state);
            if (random.Next(isDirty ? 6 : 40) != 0 || dirty >= 30)
            {
                continue;
            }

            dirty += isDirty ? 1 : 0;
            string path = Path.Combine(folder.Path, "cut.vhdx"), raw = Path.Combine(folder.Path, "cut.raw");
            byte[] before = state.ToArray();
            File.WriteAllBytes(path, before);
            using (IBlockDevice disk = DiskFiles.Open(state, isReadOnly: true))
            {
                File.WriteAllBytes(raw, DiskFiles.ReadAll(disk));
            }

            Assert.Equal(before, state.ToArray()); // only looked at
            Shell.Result repair = Shell.Run("qemu-img", ["check", "-r", "all", "-f", "vhdx", path]);
            Assert.True(repair.ExitCode == 0, $"{name}: qemu-img check -r all: {repair.ExitCode}\n{repair.All}");
            changed += before.AsSpan().SequenceEqual(File.ReadAllBytes(path)) ? 0 : 1;
            Shell.Result compare = Shell.Run("qemu-img", ["compare", "-f", "vhdx", "-F", "raw", path, raw]);
            Assert.True(compare.ExitCode == 0, $"{name}: {compare.All}");
        }

        output.WriteLine($"{dirty} dirty logs, {changed} files changed by qemu, seed {seed}");
        Assert.True(dirty >= 10 && changed > 0, $"{dirty} dirty logs, {changed} changed, seed {seed}");
    }

    /// <summary>A harness that cannot fail proves nothing: a file that forgets to flush must be found out.</summary>
    [Fact]
    public void LyingFlush_IsFound()
    {
        int seed = DiskFiles.Seed();
        var file = new MemoryFile();
        VhdxImage.Create(file, Size);
        CutRecording recording = CutRecording.Begin(DiskFiles.ReadAll(file), new byte[Size]);
        using (IBlockDevice disk = Open(recording.File, null))
        {
            CutWork.Run(recording, disk, new Random(seed), 25);
        }

        recording.File.Log.RemoveAll(operation => operation.Kind == FileOperationKind.Flush);
        Assert.Contains(recording.States(seed, subsets: 3), cut =>
        {
            try
            {
                using IBlockDevice disk = Open(cut.File, null);
                return cut.Expected.Check(DiskFiles.ReadAll(disk)) is not null;
            }
            catch (ImageFormatException)
            {
                return true;
            }
        });
    }

    private static int Judge(StateFile state, Expectation expected, string name, Func<string, bool, IGrowableDevice>? openRelated, Random random)
    {
        int replayed = IsDirty(state) ? 1 : 0;
        byte[] content;
        state.IsReadOnly = true; // a write would throw
        using (IBlockDevice disk = Open(state, openRelated))
        {
            content = DiskFiles.ReadAll(disk);
        }

        Assert.True(expected.Check(content) is not { } wrong, $"{name}: {expected.Check(content)}");
        if (random.Next(4) != 0)
        {
            return replayed;
        }

        // The same when it is replayed into the file, and new blocks show nothing of what the cut has left behind.
        state.IsReadOnly = false;
        using (IBlockDevice disk = Open(state, openRelated))
        {
            Assert.False(IsDirty(state), name);
            Assert.True(DiskFiles.ReadAll(disk).AsSpan().SequenceEqual(content), $"{name}: replayed into the file it reads differently");
            for (int at = 1000; at < disk.Length; at += MiB)
            {
                disk.Write([1, 2, 3], at);
                new byte[] { 1, 2, 3 }.CopyTo(content, at);
            }
        }

        using IBlockDevice again = Open(state, openRelated);
        Assert.False(IsDirty(state), name);
        Assert.True(DiskFiles.ReadAll(again).AsSpan().SequenceEqual(content), $"{name}: writes after the replay went wrong");
        return replayed;
    }

    private static MemoryFile MakeParent(byte[] content, MemoryFile child)
    {
        var parent = new MemoryFile();
        VhdxImage.Create(parent, content.Length);
        using (IBlockDevice disk = DiskFiles.Open(parent))
        {
            disk.Write(content, 0);
            disk.Flush();
        }

        using IBlockDevice opened = DiskFiles.Open(parent, isReadOnly: true);
        VhdxImage.Create(child, content.Length, new VhdxCreateOptions { Parent = new VhdxParent(opened, "parent.vhdx") });
        return parent;
    }

    private static IBlockDevice Open(IGrowableDevice file, Func<string, bool, IGrowableDevice>? openRelated) =>
        new VhdxFormat().Open(file, new ImageFormatOptions { OpenRelated = openRelated });

    private static bool IsDirty(IBlockDevice file) => VhdxHeaders.Read(file).Current.LogGuid != Guid.Empty;
}
