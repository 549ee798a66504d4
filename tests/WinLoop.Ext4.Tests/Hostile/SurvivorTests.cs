using WinLoop.Ext4.Check;
using WinLoop.Ext4.Tests.Check;
using WinLoop.TestKit;
using WinLoop.TestKit.FileSystems;

namespace WinLoop.Ext4.Tests.Hostile;

/// <summary>Images that were changed and are still clean in e2fsck's eyes open here, and show the tree that the kernel shows.
/// Only such images are given to the kernel: a damaged one could take the machine with it.</summary>
public sealed class SurvivorTests(ITestOutputHelper output)
{
    private const int Wanted = 96, MostTried = 3000;

    [Fact]
    public void What_is_clean_opens_and_equals_the_kernels()
    {
        Shell.Require("mkfs.ext4", "e2fsck");
        Shell.RequireLoopMounts();
        int first = int.TryParse(Environment.GetEnvironmentVariable("WINLOOP_SURVIVOR_SEED"), out int given) ? given : Environment.TickCount & 0xFFFFFF;
        output.WriteLine($"WINLOOP_SURVIVOR_SEED={first}");
        var seeds = HostileCorpus.Make().Select(s => (s.Name, Device: new HostileDevice(s.Image), Mutator: new ImageMutator(new ImageMap(s)))).ToArray();
        var session = new CheckSession();
        string folder = Directory.CreateTempSubdirectory("winloop-survivor-").FullName, path = Path.Combine(folder, "image"), mount = Path.Combine(folder, "mnt");
        Directory.CreateDirectory(mount);
        int compared = 0;
        try
        {
            for (int i = first; compared < Wanted && i < first + MostTried; i++)
            {
                (string name, HostileDevice device, ImageMutator mutator) = seeds[i % seeds.Length];
                device.Restore();
                mutator.Mutate(device, new Random(i));
                device.IsReadOnly = true;
                byte[] image = device.Bytes.AsSpan(0, (int)device.Length).ToArray();
                File.WriteAllBytes(path, image);
                if (!IsSpotless(session, device) || Fsck.Judge(path, needsRecovery: false, out _) != FsckVerdict.Clean)
                {
                    continue;
                }
                // e2fsck -fn writes nothing, so that this is the image still.
                List<string> ours, theirs;
                using (var engine = new EngineFileSystem(() => Ext4Volume.Mount(device, new Ext4MountOptions { IsReadOnly = true })))
                {
                    ours = engine.Dump();
                }
                Shell.Script($"mount -o loop,ro,noload {path} {mount}");
                try
                {
                    theirs = new PosixFileSystem(mount).Dump();
                }
                finally
                {
                    Shell.Script($"umount {mount}");
                }
                Assert.True(ours.SequenceEqual(theirs), $"{i} {name} {string.Join(", ", mutator.Log)}\n{string.Join('\n', ours.Except(theirs).Take(5))}\nkernel:\n{string.Join('\n', theirs.Except(ours).Take(5))}");
                compared++;
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
        output.WriteLine($"{compared} compared");
        Assert.Equal(Wanted, compared);
    }

    private static bool IsSpotless(CheckSession session, HostileDevice device)
    {
        try
        {
            CheckReport report = session.Check(device);
            return report is { IsSpotless: true, NeedsRecovery: false };
        }
        catch (Ext4NotSupportedException)
        {
            return false;
        }
    }
}
