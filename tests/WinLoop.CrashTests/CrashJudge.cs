using System.Security.Cryptography;
using WinLoop.Ext4;
using WinLoop.TestKit;
using WinLoop.TestKit.FileSystems;

namespace WinLoop.CrashTests;

/// <summary>Judges every state of a workload: recovery, e2fsck, the promises, and the kernel's own recovery.</summary>
internal sealed class CrashJudge(CrashWorkload workload, int blockSize, ITestOutputHelper output, int fsckEvery, int kernelEvery) : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("winloop-crash-").FullName;
    private readonly HashSet<string> _seen = [];

    /// <summary>Judges all states, or a seeded sample of WINLOOP_CRASH_STATES; returns how many different ones
    /// there were.</summary>
    public int JudgeAll(int seed)
    {
        var random = new Random(seed);
        List<Recorded> log = CrashState.Split(workload.Log, blockSize);
        CrashState[] all = [.. CrashState.Enumerate(log, random)];
        int limit = int.TryParse(Environment.GetEnvironmentVariable("WINLOOP_CRASH_STATES"), out int given) ? given : 120;
        CrashState[] states = all;
        if (all.Length > limit)
        {
            random.Shuffle(all);
            states = all[..limit];
        }
        foreach (CrashState state in states)
        {
            byte[] image = state.Build(workload.Image, log);
            if (!_seen.Add(Convert.ToHexString(SHA1.HashData(image))))
            {
                continue;
            }
            try
            {
                Judge(state, image, _seen.Count);
            }
            catch (Exception e) when (e is not Xunit.Sdk.IAssertionException)
            {
                throw new InvalidOperationException($"{state}: {e.Message}", e);
            }
        }
        output.WriteLine($"{workload.Log.Count} writes and flushes in {log.Count} pieces, {all.Length} states, {_seen.Count} different ones judged");
        return _seen.Count;
    }

    private void Judge(CrashState state, byte[] image, int number)
    {
        // Recovery writes, so it is itself recorded: its result is what the judges look at.
        var device = new CrashDevice(image);
        Dictionary<string, string> tree;
        using (var engine = new EngineFileSystem(() => Ext4Volume.Mount(device, new Ext4MountOptions { UseBackgroundCommit = false })))
        {
            Assert.False(engine.Volume.IsReadOnly, $"{state}: mounted read-only: {engine.Volume.ReadOnlyReason}");
            tree = CrashWorkload.ByPath(engine.Dump());
            CheckPromises(state, tree);
            // The volume has to go on working.
            Assert.Equal(0, engine.Create("after-the-crash", 0x1A4));
            Assert.Equal(0, engine.Unlink("after-the-crash"));
        }
        if (number % fsckEvery == 0)
        {
            string path = Path.Combine(_folder, "recovered.img");
            byte[] recovered = new byte[device.Length];
            device.Read(recovered, 0);
            File.WriteAllBytes(path, recovered);
            Shell.Result result = Shell.Run("e2fsck", ["-fn", path]);
            Assert.True(result.ExitCode == 0, $"{state}: e2fsck -fn exits {result.ExitCode}\n{result.All}");
        }
        // A torn superblock is refused by the kernel: there it is no judge.
        if (number % kernelEvery == 0 && new WinLoop.Ext4.Format.Superblock(image.AsSpan(1024)).HasValidChecksum)
        {
            CompareWithKernel(state, image, tree);
        }
    }

    // The kernel recovers the same image by itself and has to see the same tree.
    private void CompareWithKernel(CrashState state, byte[] image, Dictionary<string, string> tree)
    {
        string path = Path.Combine(_folder, "kernel.img"), mount = Path.Combine(_folder, "mnt");
        File.WriteAllBytes(path, image);
        Directory.CreateDirectory(mount);
        Shell.Script($"mount -o loop {path} {mount}");
        try
        {
            Dictionary<string, string> kernel = CrashWorkload.ByPath(new PosixFileSystem(mount).Dump());
            string difference = string.Join('\n', tree.Values.Except(kernel.Values).Select(l => "+ " + l).Concat(kernel.Values.Except(tree.Values).Select(l => "- " + l)));
            Assert.True(difference.Length == 0, $"{state}: WinLoop (+) and the kernel (-) recover differently:\n{difference}");
        }
        finally
        {
            Shell.Script($"umount {mount}");
        }
    }

    // Each name may have any version it had since the last promise before the cut and up to the step that
    // was running; a name that nothing touched since then has exactly one.
    private void CheckPromises(CrashState state, Dictionary<string, string> tree)
    {
        List<CrashWorkload.Step> steps = workload.Steps;
        int first = steps.FindLastIndex(s => s.IsBarrier && s.LogAfter <= state.Cut);
        int last = steps.FindLastIndex(s => s.LogBefore <= state.Cut);
        IEnumerable<string> names = steps[first..(last + 1)].SelectMany(s => s.Lines.Keys).Concat(tree.Keys).Distinct();
        foreach (string name in names)
        {
            var versions = steps[first..(last + 1)].Select(s => s.Lines.GetValueOrDefault(name, "(absent)")).ToHashSet();
            string actual = tree.GetValueOrDefault(name, "(absent)");
            // Content that was overwritten in place since the promise is a mixture; names, modes and links are not.
            bool isMixture = versions.Count > 1;
            bool isAllowed = versions.Contains(actual) || (isMixture && versions.Select(Shape).Contains(Shape(actual)));
            Assert.True(isAllowed, $"{state}: '{name}' is\n  {actual}\nallowed are\n  {string.Join("\n  ", versions)}\n" +
                $"since: {string.Join("; ", steps[first..(last + 1)].Select(s => s.Text))}");
        }
    }

    private static string Shape(string line) => line == "(absent)" ? line : line[..line.LastIndexOf(' ')];

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
