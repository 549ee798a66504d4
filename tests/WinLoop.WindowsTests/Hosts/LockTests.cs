using WinLoop.Mounting.Windows;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>The group "lock". The driver keeps the locks; what is ours is that none of it reaches the file system, and
/// that nothing of a lock is left.</summary>
public sealed class LockTests
{
    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Locks_hold_between_handles_and_end_with_them_without_a_callback(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.WriteAll(@"\f", new byte[1000]);
        NtFile owner = client.Create(@"\f", disposition: Disposition.Open);
        using (NtFile other = client.Create(@"\f", disposition: Disposition.Open))
        {
            other.ReadAll();
            client.Trace(true);
            Assert.Equal(NtStatus.Success, owner.Lock(100, 100, exclusive: true));
            Assert.Equal(NtStatus.Success, owner.Lock(500, 100, exclusive: false));
            Assert.Equal(DriverStatus.LockNotGranted, other.Lock(150, 1, exclusive: false));
            Assert.Equal(DriverStatus.LockNotGranted, other.Lock(550, 1, exclusive: true));
            Assert.Equal(NtStatus.Success, other.Lock(550, 100, exclusive: false));
            Assert.Equal(NtStatus.Success, other.Lock(200, 100, exclusive: true));

            Assert.Equal(DriverStatus.FileLockConflict, other.TryWrite(199, new byte[1]));
            Assert.Equal(DriverStatus.FileLockConflict, Assert.Throws<NtStatusException>(() => other.Read(0, 101)).Status);
            Assert.Equal(100, other.Read(0, 100).Length);
            Assert.Equal(NtStatus.Success, owner.TryWrite(100, new byte[100]));
            Assert.Equal(DriverStatus.FileLockConflict, owner.TryWrite(500, new byte[1])); // shared: nobody writes
            Assert.Equal(100, other.Read(500, 100).Length);

            Assert.Equal(DriverStatus.RangeNotLocked, other.Unlock(100, 100));
            Assert.Equal(DriverStatus.RangeNotLocked, owner.Unlock(100, 99));
            Assert.Equal(NtStatus.Success, owner.Unlock(100, 100));
            Assert.Equal(NtStatus.Success, other.TryWrite(150, new byte[1]));
            Assert.DoesNotContain(client.Trace(false), c => c.Slot is not (Slot.Read or Slot.Write or Slot.SetFileSize)); // the cache's

            Assert.Equal(NtStatus.Success, owner.Lock(0, 1, exclusive: true));
            owner.Dispose(); // its locks go with it
            Assert.Equal(NtStatus.Success, other.Lock(0, 100, exclusive: true));
            Assert.Equal(NtStatus.Success, other.TryWrite(500, new byte[1]));
        }
        client.WriteAll(@"\f", "free"u8);
        mount.Finish();
        Assert.Equal("free", mount.Image.WithKernel("cat $M/f"));
    }
}
