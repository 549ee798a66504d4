using WinLoop.Ext4;
using WinLoop.Ext4.Check;
using WinLoop.Storage;

namespace WinLoop.CrashTests;

/// <summary>
/// The first judge, for every state: WinLoop's own recovery has to succeed, leave a volume without a fault by WinLoop's
/// own checker, and that volume has to go on working.
/// </summary>
internal sealed class Recovery
{
    // A file of 2,500 bytes with all that it may need, and what the engine keeps back for metadata.
    private const int RoomForUse = 64;

    /// <summary>Long after the workload, so that a second recovery of the same state writes the same.</summary>
    private const long Later = TestClock.Start + 86400;

    private static readonly CheckOptions s_options = new() { Threads = 1 };
    private readonly CheckSession _session = new();

    /// <summary>Mounts, reads everything, unmounts, checks.</summary>
    public Dictionary<string, RecoveredTree.Item> Recover(IBlockDevice device, CrashImage image)
    {
        Dictionary<string, RecoveredTree.Item> tree = WithVolume(device, image, "recovery", RecoveredTree.Read);
        Check(device, "after recovery");
        return tree;
    }

    /// <summary>
    /// Everything works after a recovery: files come and go in every directory, what lies behind the end of a file is
    /// zero, and the volume can be filled to the last block.
    /// </summary>
    public void Use(IBlockDevice device, CrashImage image, Dictionary<string, RecoveredTree.Item> tree, bool fills)
    {
        WithVolume(device, image, "use after recovery", volume =>
        {
            using var driver = new EngineDriver(volume);
            VolumeStatistics room = volume.GetStatistics();
            // Some workloads fill the volume, or use its last inode.
            bool hasRoom = room.FreeInodes > 0 && room.FreeBlocks >= RoomForUse;
            foreach ((string path, RecoveredTree.Item item) in tree)
            {
                if (item.Entry.Line.StartsWith("4", StringComparison.Ordinal))
                {
                    if (!hasRoom)
                    {
                        continue;
                    }
                    string name = path.Length == 0 ? "after the crash" : path + "/after the crash";
                    driver.OnParent(name, (d, n) => volume.Release(volume.Create(d, n, 0x81A4, 0, Caller.Root)));
                    driver.OnInode(name, f => volume.Write(f, Content.Of(99, 2500), 0, Caller.Root));
                    driver.OnParent(name, (d, n) => volume.Unlink(d, n));
                }
                else if (item.Entry.Content is { } content && item.Entry.Line.Contains(" f0 ", StringComparison.Ordinal))
                {
                    driver.Change(path, new AttributeChanges { Size = content.Length + 5000 });
                    byte[] all = driver.ReadAll(path);
                    int bad = all.AsSpan(content.Length).IndexOfAnyExcept((byte)0);
                    if (bad >= 0 || !all.AsSpan(0, content.Length).SequenceEqual(content))
                    {
                        throw new CrashViolation($"'{path}' was extended from {content.Length} bytes, and byte {(bad < 0 ? 0 : bad + content.Length)} is not zero, or what was before has changed");
                    }
                }
            }
            if (fills && hasRoom)
            {
                Fill(volume, driver);
            }
            return 0;
        });
        Check(device, "after use");
    }

    private static void Fill(Ext4Volume volume, EngineDriver driver)
    {
        driver.OnParent("filler after the crash", (d, n) => volume.Release(volume.Create(d, n, 0x81A4, 0, Caller.Root)));
        byte[] chunk = Content.Of(98, 200_000);
        long done = 0;
        try
        {
            while (true)
            {
                int count = driver.OnInode("filler after the crash", f => volume.Write(f, chunk, done, Caller.Root));
                done += count;
            }
        }
        catch (Ext4Exception e) when (e.Errno == Errno.ENOSPC)
        {
            // Full.
        }
        driver.OnParent("filler after the crash", (d, n) => volume.Unlink(d, n));
    }

    private static T WithVolume<T>(IBlockDevice device, CrashImage image, string what, Func<Ext4Volume, T> action)
    {
        try
        {
            using var clock = new TestClock(Later);
            using Ext4Volume volume = Ext4Volume.Mount(device, image.Options());
            if (volume.IsReadOnly)
            {
                throw new CrashViolation($"mounted read-only: {volume.ReadOnlyReason}");
            }
            T result = action(volume);
            return result;
        }
        catch (Exception e) when (e is not CrashViolation)
        {
            throw new CrashViolation($"{what}: {e.GetType().Name}: {e.Message}", e);
        }
    }

    private void Check(IBlockDevice device, string when)
    {
        CheckReport report;
        try
        {
            report = _session.Check(device, s_options);
        }
        catch (Exception e)
        {
            throw new CrashViolation($"the checker {when}: {e.GetType().Name}: {e.Message}", e);
        }
        if (report.ErrorCount != 0 || report.PendingCount != 0 || report.IsIncomplete || report.NeedsRecovery ||
            report.Has(FindingCode.MarkedDamaged) || report.Has(FindingCode.NotUnmounted))
        {
            throw new CrashViolation($"the checker {when}: {string.Join("; ", report.Findings.Take(5))}");
        }
    }
}
