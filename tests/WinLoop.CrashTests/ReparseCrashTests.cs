using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using WinLoop.Ext4;
using WinLoop.Mounting.Windows;
using WinLoop.TestKit;

namespace WinLoop.CrashTests;

/// <summary>Cuts in the middle of what Windows alone does to a volume: another inode put under a name, and the label.</summary>
public sealed class ReparseCrashTests(ITestOutputHelper output)
{
    private const uint Symlink = 0xA000000C, LxFifo = 0x80000024;
    private const uint DirectoryOption = 1;

    private static readonly string[] s_names = ["file", "dir", "long", "deep/file"];

    /// <summary>What each name is, and the label, after a step; and where the device's log was.</summary>
    private sealed record Step(int LogBefore, int LogAfter, bool IsBarrier, string[] Versions);

    [Theory]
    [InlineData("-b 1024")]
    [InlineData("-b 1024 -O orphan_file")]
    [InlineData("-b 1024 -O ^metadata_csum,^64bit")]
    public void A_name_has_its_old_inode_or_the_new_one_and_the_volume_its_old_label_or_the_new_one(string options)
    {
        byte[] image = MakeImage(options);
        using var device = new CrashDevice(image);
        var steps = new List<Step>();
        using (Ext4Volume volume = Ext4Volume.Mount(device, new Ext4MountOptions { UseBackgroundCommit = false }))
        using (var fileSystem = new WindowsFileSystem(volume, new WindowsOptions()))
        {
            steps.Add(new Step(0, 0, true, Describe(volume)));
            foreach (Action<WindowsFileSystem> action in Actions())
            {
                int before = device.Log.Count;
                action(fileSystem);
                steps.Add(new Step(before, device.Log.Count, false, Describe(volume)));
                before = device.Log.Count;
                // Two steps are in one transaction each time.
                if (steps.Count % 3 == 0)
                {
                    Check(fileSystem.Flush(null, out _));
                    steps.Add(new Step(before, device.Log.Count, true, Describe(volume)));
                }
            }
        }
        Assert.True(steps.Select(s => string.Join(';', s.Versions)).Distinct().Count() > 10);
        int seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        List<Recorded> log = CrashState.Split(device.Log, 1024);
        CrashState[] states = [.. CrashState.Enumerate(log, random)];
        random.Shuffle(states);
        var seen = new HashSet<string>();
        int most = int.Parse(Environment.GetEnvironmentVariable("WINLOOP_STATES") ?? "200");
        foreach (CrashState state in states)
        {
            byte[] cut = state.Build(image, log);
            if (seen.Count < most && seen.Add(Convert.ToHexString(SHA1.HashData(cut))))
            {
                Judge(cut, steps, state, $"seed {seed}, {state}", seen.Count);
            }
        }
        output.WriteLine($"{device.Log.Count} writes and flushes, {states.Length} states, {seen.Count} judged");
        Assert.True(seen.Count > 30, $"only {seen.Count} states: the recording is broken");
    }

    private static IEnumerable<Action<WindowsFileSystem>> Actions()
    {
        string far = new string('t', 150) + '\\' + new string('u', 150); // in a block of its own
        yield return fs => Check(fs.SetVolumeLabel("first", out _));
        yield return fs => With(fs, @"\file", f => fs.SetReparsePoint(f, @"\file", MakeLink("target")));
        yield return fs => With(fs, @"\dir", f => fs.SetReparsePoint(f, @"\dir", MakeLink(far)));
        yield return fs => With(fs, @"\file", f => fs.SetReparsePoint(f, @"\file", MakeLink(far)));
        yield return fs => With(fs, @"\long", f => fs.SetReparsePoint(f, @"\long", MakeLink("short")));
        yield return fs => With(fs, @"\dir", f => fs.DeleteReparsePoint(f, @"\dir", MakeTag(Symlink)));
        yield return fs => Check(fs.SetVolumeLabel("sixteen bytes 16", out _));
        yield return fs => With(fs, @"\deep\file", f => fs.SetReparsePoint(f, @"\deep\file", MakeTag(LxFifo)));
        yield return fs => With(fs, @"\file", f => fs.DeleteReparsePoint(f, @"\file", MakeTag(Symlink)));
        yield return fs => With(fs, @"\dir", f => fs.SetReparsePoint(f, @"\dir", MakeLink(far)));
        yield return fs => With(fs, @"\deep\file", f => fs.DeleteReparsePoint(f, @"\deep\file", MakeTag(LxFifo)));
        yield return fs => Check(fs.SetVolumeLabel("", out _));
        yield return fs => With(fs, @"\long", f => fs.DeleteReparsePoint(f, @"\long", MakeTag(Symlink)));
        yield return fs => With(fs, @"\file", f => fs.SetReparsePoint(f, @"\file", MakeLink("again")));
    }

    private static void With(WindowsFileSystem fs, string path, Func<WindowsFile, NtStatus> action)
    {
        Check(fs.Open(path, 0, 0x1F01FF, out WindowsFile? file, out _));
        Check(action(file!));
        fs.Cleanup(file!, default, CleanupFlags.None);
        fs.Close(file!);
    }

    private static void Check(NtStatus status) => Assert.Equal(NtStatus.Success, status);

    private static byte[] MakeTag(uint tag, params byte[] data)
    {
        byte[] buffer = new byte[8 + data.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(buffer, tag);
        BinaryPrimitives.WriteUInt16LittleEndian(buffer.AsSpan(4), (ushort)data.Length);
        data.CopyTo(buffer, 8);
        return buffer;
    }

    private static byte[] MakeLink(string target)
    {
        byte[] data = new byte[12 + (2 * target.Length)];
        BinaryPrimitives.WriteUInt16LittleEndian(data.AsSpan(2), (ushort)(2 * target.Length));
        data[8] = 1; // relative
        MemoryMarshal.AsBytes(target.AsSpan()).CopyTo(data.AsSpan(12));
        return MakeTag(Symlink, data);
    }

    // As the engine sees it, without the inode's number.
    private static string[] Describe(Ext4Volume volume) => [.. s_names.Select(n => $"{n}: {Describe(volume, n)}"), "label " + volume.Label];

    private static string Describe(Ext4Volume volume, string path)
    {
        Inode current = volume.GetInode(Ext4Volume.RootInode);
        foreach (string name in path.Split('/'))
        {
            Inode? next = volume.Lookup(current, Encoding.UTF8.GetBytes(name));
            volume.Release(current);
            if (next is null)
            {
                return "(absent)";
            }
            current = next;
        }
        Ext4.FileAttributes stat = volume.GetAttributes(current);
        byte[] target = new byte[1024];
        string leads = current.IsSymlink ? Encoding.UTF8.GetString(target, 0, volume.ReadLink(current, target)) : "";
        volume.Release(current);
        return $"{Convert.ToString(stat.Mode, 8)} {stat.Uid}:{stat.Gid} {stat.Size} {leads}";
    }

    private static void Judge(byte[] cut, List<Step> steps, CrashState state, string text, int number)
    {
        int first = steps.FindLastIndex(s => s.IsBarrier && s.LogAfter <= state.Cut);
        int last = steps.FindLastIndex(s => s.LogBefore <= state.Cut);
        using var device = new CrashDevice(cut);
        string[] found;
        using (Ext4Volume volume = Ext4Volume.Mount(device, new Ext4MountOptions { UseBackgroundCommit = false }))
        {
            Assert.False(volume.IsReadOnly, $"{text}: mounted read-only: {volume.ReadOnlyReason}");
            found = Describe(volume);
        }
        for (int i = 0; i < found.Length; i++)
        {
            string[] allowed = [.. steps[first..(last + 1)].Select(s => s.Versions[i]).Distinct()];
            Assert.True(allowed.Contains(found[i]), $"{text}:\n  {found[i]}\nallowed are\n  {string.Join("\n  ", allowed)}");
        }
        string folder = Directory.CreateTempSubdirectory("winloop-crash-").FullName;
        try
        {
            byte[] recovered = new byte[device.Length];
            device.Read(recovered, 0);
            File.WriteAllBytes(Path.Combine(folder, "recovered"), recovered);
            Shell.Result result = Shell.Run("e2fsck", ["-fn", Path.Combine(folder, "recovered")]);
            Assert.True(result.ExitCode == 0, $"{text}: e2fsck -fn exits {result.ExitCode}\n{result.All}");
            // A torn superblock is refused by the kernel: there it is no judge.
            if (number % 10 == 0 && new WinLoop.Ext4.Format.Superblock(cut.AsSpan(1024)).HasValidChecksum)
            {
                File.WriteAllBytes(Path.Combine(folder, "kernel"), cut);
                string kernel = Shell.Script($"""
                    cd {folder}; mkdir m; mount -o loop kernel m
                    for n in {string.Join(' ', s_names)}; do printf '%s: %o %s %s\n' $n 0x$(stat -c %f m/$n) "$(stat -c '%u:%g %s' m/$n)" "$(readlink m/$n)"; done
                    umount m; echo "label $(e2label kernel)"
                    """);
                Assert.Equal(string.Join('\n', found) + "\n", kernel);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static byte[] MakeImage(string options)
    {
        Shell.RequireLoopMounts();
        using TestImage image = TestImage.Make(5, $"{options} -J size=1 -N 256 -L start");
        image.WithKernel("cd $M; touch file; chown 10:20 file; chmod 640 file; mkdir dir deep; ln -s $(printf 'x%.0s' $(seq 200)) long; touch deep/file");
        return File.ReadAllBytes(image.Path);
    }
}
