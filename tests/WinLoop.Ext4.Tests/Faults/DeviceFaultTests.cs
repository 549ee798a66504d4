using WinLoop.Ext4.Format;
using WinLoop.Ext4.Tests.Hostile;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Faults;

/// <summary>Every single read, write and flush of a workload fails once, and from then on: no crash, no hang, no
/// broken promise.</summary>
public sealed class DeviceFaultTests(ITestOutputHelper output) : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("winloop-fault-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private byte[] MakeImage(string options)
    {
        Shell.Require("mkfs.ext4", "e2fsck");
        string path = Path.Combine(_folder, "new");
        Shell.Script($"rm -f {path}; truncate -s 3M {path}; mkfs.ext4 -q -F -m 0 -b 1024 -N 64 {options} {path}");
        return File.ReadAllBytes(path);
    }

    private static Ext4Volume Mount(IBlockDevice device) =>
        Ext4Volume.Mount(device, new Ext4MountOptions { UseBackgroundCommit = false, CacheBytes = 1 << 20, CachedInodes = 4 });

    // How many operations there are from the mount to the unmount when nothing fails.
    private static long StepsOf(byte[] image, DeviceOperations operations, Action<Ext4Volume> work)
    {
        var faulty = new FaultDevice(new HostileDevice(image));
        FaultRule rule = faulty.Add(new FaultRule { Operations = operations });
        using (Ext4Volume volume = Mount(faulty))
        {
            work(volume);
        }
        return rule.Matched;
    }

    [Theory]
    [InlineData(DeviceOperations.Read, 1)]
    [InlineData(DeviceOperations.Read, long.MaxValue)]
    [InlineData(DeviceOperations.Changes, 1)]
    [InlineData(DeviceOperations.Changes, long.MaxValue)]
    [InlineData(DeviceOperations.Flush, 1)]
    [InlineData(DeviceOperations.Flush, long.MaxValue)]
    public void What_was_synchronized_survives_a_fault_at_any_step(DeviceOperations operations, long count)
    {
        byte[] image = MakeImage("-J size=1");
        long total = StepsOf(image, operations, volume => new FaultWorkload(volume).Run());
        for (long first = 1; first <= total + 1; first++)
        {
            var device = new HostileDevice(image);
            var faulty = new FaultDevice(device);
            FaultRule rule = faulty.Add(new FaultRule { Operations = operations, Error = BlockDeviceError.Io, First = first, Count = count });
            FaultWorkload? workload = null;
            try
            {
                using Ext4Volume volume = Mount(faulty);
                workload = new FaultWorkload(volume);
                workload.Run();
                if (operations == DeviceOperations.Flush && rule.Hits > 0)
                {
                    Assert.True(volume.IsReadOnly, $"flush {first} failed and the volume is still writable");
                }
                if (volume.Journal.AbortReason is not null)
                {
                    Assert.Throws<Ext4Exception>(volume.Synchronize);
                    Assert.Equal(0, workload.FalseSyncs);
                }
            }
            catch (Exception e) when (HostileWalk.IsHonest(e))
            {
                // The mount, or what was left for the unmount.
            }
            if (first > total)
            {
                Assert.True(workload!.Errors == 0 && workload.Promised.Count >= 9, $"{workload.Errors} errors without a fault");
            }
            Judge($"{operations} {first} x {count}", device.Bytes, workload?.Promised, checks: first % 5 == 0 || first > total);
        }
        output.WriteLine($"{total} steps");
    }

    // The promises by a read-only mount as the image is; e2fsck after the engine's own recovery.
    private void Judge(string what, byte[] bytes, IReadOnlyDictionary<string, byte[]?>? promised, bool checks)
    {
        using (Ext4Volume volume = Ext4Volume.Mount(new HostileDevice(bytes) { IsReadOnly = true }, new Ext4MountOptions { IsReadOnly = true }))
        {
            foreach ((string name, byte[]? content) in promised ?? new Dictionary<string, byte[]?>())
            {
                byte[]? found = FaultWorkload.ContentOf(volume, name);
                Assert.True(content is null ? found is null : found is not null && found.AsSpan().SequenceEqual(content),
                    $"{what}: {name} was promised with {content?.Length ?? -1} bytes and has {found?.Length ?? -1}");
            }
        }
        if (!checks)
        {
            return;
        }
        string path = Path.Combine(_folder, "judged");
        var device = new HostileDevice(bytes);
        ForgetErrors(device.Bytes);
        using (Ext4Volume volume = Mount(device))
        {
            Assert.True(volume.ReadOnlyReason is null, $"{what}: {volume.ReadOnlyReason}");
        }
        File.WriteAllBytes(path, device.Bytes);
        Shell.Result result = Shell.Run("e2fsck", ["-fn", path]);
        Assert.True(result.ExitCode == 0, $"{what}:\n{result.All}");
    }

    // The error marks are right to be there; without them the volume may be written, and so be recovered.
    private static void ForgetErrors(byte[] bytes)
    {
        var superblock = new Superblock(bytes.AsSpan(Superblock.Offset, Superblock.Size));
        superblock.State = (ushort)((superblock.State & ~Superblock.StateError) | Superblock.StateValid);
        superblock.ErrorCount = 0;
        superblock.UpdateChecksum();
        superblock.Raw.CopyTo(bytes.AsSpan(Superblock.Offset));
        var map = new ImageMap(bytes);
        Target at = map.ByKind.Single(kind => kind[0].Kind == TargetKind.JournalSuperblock)[0];
        var journal = new JournalSuperblock(bytes.AsSpan(at.At, JournalSuperblock.Size)) { ErrorCode = 0 };
        journal.UpdateChecksum();
        journal.Raw.CopyTo(bytes.AsSpan(at.At));
    }

    [Theory]
    [InlineData(DeviceOperations.Read)]
    [InlineData(DeviceOperations.Changes)]
    [InlineData(DeviceOperations.Flush)]
    public void Without_a_journal_a_fault_is_an_error_and_no_more(DeviceOperations operations)
    {
        byte[] image = MakeImage("-O ^has_journal");
        long total = StepsOf(image, operations, volume => new FaultWorkload(volume).Run());
        for (long first = 1; first <= total; first++)
        {
            var faulty = new FaultDevice(new HostileDevice(image));
            faulty.Add(new FaultRule { Operations = operations, Error = BlockDeviceError.Io, First = first, Count = 1 + (first % 3) });
            try
            {
                using Ext4Volume volume = Mount(faulty);
                new FaultWorkload(volume).Run();
            }
            catch (Exception e) when (HostileWalk.IsHonest(e))
            {
                // The mount or the unmount.
            }
        }
        output.WriteLine($"{total} steps");
    }

    [Theory]
    [InlineData(DeviceOperations.Read)]
    [InlineData(DeviceOperations.Changes)]
    [InlineData(DeviceOperations.Flush)]
    public void A_recovery_that_breaks_off_is_done_again(DeviceOperations operations)
    {
        byte[] image = MakeImage("-J size=1");
        var first = new HostileDevice(image);
        Ext4Volume filled = Mount(first);
        var workload = new FaultWorkload(filled);
        workload.Run();
        byte[] dirty = [.. first.Bytes];
        filled.Dispose();
        Assert.Equal(0, workload.Errors);

        long total = StepsOf(dirty, operations, _ => { });
        for (long number = 1; number <= total; number++)
        {
            var device = new HostileDevice(dirty);
            var faulty = new FaultDevice(device);
            faulty.Add(new FaultRule { Operations = operations, Error = BlockDeviceError.Io, First = number, Count = 1 });
            try
            {
                Mount(faulty).Dispose();
            }
            catch (Exception e) when (HostileWalk.IsHonest(e))
            {
                // Tried again below.
            }
            Judge($"recovery, {operations} {number}", device.Bytes, workload.Promised, checks: number % 4 == 0);
        }
        output.WriteLine($"{total} steps");
    }
}
