using WinLoop.Mounting.Windows;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>Counterparts of winfsp-tests' "lock" group: the driver keeps byte-range locks itself; the host only has to stay
/// out of their way.</summary>
public sealed class LockTests
{
    // Of the driver; the file system never answers them.
    private const NtStatus FileLockConflict = (NtStatus)0xC0000054, LockNotGranted = (NtStatus)0xC0000055;

    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_locked_range_is_kept_from_others_until_it_is_free(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client, stranger = mount.Connect();
        client.WriteAll(@"\file", new byte[100]);
        using NtFile mine = client.Create(@"\file", Access.ReadWrite, Disposition.Open), other = stranger.Create(@"\file", Access.ReadWrite, Disposition.Open);
        mine.Lock(10, 20, exclusive: true).ThrowIfFailed("lock");
        Assert.Equal(FileLockConflict, other.TryWrite(25, "x"u8));
        Assert.Equal(NtStatus.Success, other.TryWrite(30, "x"u8));
        Assert.Equal(NtStatus.Success, mine.TryWrite(15, "x"u8));
        Assert.Equal(LockNotGranted, other.Lock(0, 11, exclusive: false));
        mine.Unlock(10, 20).ThrowIfFailed("unlock");
        other.Lock(0, 11, exclusive: false).ThrowIfFailed("shared lock");
        Assert.Equal(FileLockConflict, mine.TryWrite(5, "x"u8));
        Assert.Single(mine.Read(5, 1));
        other.Dispose();
        // Locks go with the handle.
        Assert.Equal(NtStatus.Success, mine.TryWrite(5, "x"u8));
        mine.Dispose();
        stranger.Dispose();
        mount.Finish();
    }
}
