using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Hosting;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>Counterparts of winfsp-tests' volume queries, "volpath" and "notify": what the volume says of itself, its label, and
/// its mount point.</summary>
public sealed class VolumeTests
{
    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Size_free_space_and_settings(HostKind kind)
    {
        using var mount = new HostMount(kind, megabytes: 64, mkfs: "-b 4096 -L first");
        StandInClient client = mount.Client;
        client.WriteAll(@"\first", "x"u8); // from the first change on some blocks are kept for metadata
        VolumeAnswer before = client.QueryVolume();
        Assert.Equal(("first", "ext4"), (before.Label, before.FileSystemName));
        Assert.Equal(4096, before.SectorSize * before.SectorsPerUnit);
        Assert.InRange(before.TotalSize, 32ul << 20, 64ul << 20);
        Assert.NotEqual(0u, before.SerialNumber);
        Assert.Equal(uint.MaxValue, before.FileInfoTimeout);
        client.WriteAll(@"\file", new byte[4 << 20]);
        client.FlushVolume().ThrowIfFailed("flush");
        ulong used = before.FreeSize - client.QueryVolume().FreeSize;
        Assert.InRange(used, 4ul << 20, (4ul << 20) + (1 << 18));
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void The_label_is_changed_within_what_ext4_can_keep(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        Assert.Equal(NtStatus.Success, client.SetLabel("Grüße"));
        Assert.Equal("Grüße", client.QueryVolume().Label);
        Assert.Equal(NtStatus.Success, client.SetLabel("sixteen bytes 16"));
        Assert.NotEqual(NtStatus.Success, client.SetLabel("seventeen bytes 1"));
        Assert.NotEqual(NtStatus.Success, client.SetLabel(new string('x', 33)));
        Assert.Equal("sixteen bytes 16", client.QueryVolume().Label);
        mount.Finish();
        Assert.Contains("sixteen bytes 16", TestKit.Shell.Script($"dumpe2fs -h {mount.Image.Path} 2>/dev/null | grep 'volume name'"), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Two_volumes_at_once_are_two_and_a_taken_letter_is_refused(HostKind kind)
    {
        using HostMount first = new(kind), second = new(kind == HostKind.Builtin ? HostKind.Package : HostKind.Builtin);
        first.Client.WriteAll(@"\file", "first"u8);
        second.Client.WriteAll(@"\file", "second"u8);
        Assert.Equal("first"u8.ToArray(), first.Client.ReadAll(@"\file"));
        Assert.Equal("second"u8.ToArray(), second.Client.ReadAll(@"\file"));
        using TestKit.TestImage image = TestKit.TestImage.Make(16);
        using (Ext4.Ext4Volume volume = image.Mount())
        {
            var options = new WinFspMountOptions { MountPoint = first.MountPoint, LibraryPath = StandIn.StandInLibrary.Linux };
            WinFspMountException refused = Assert.Throws<WinFspMountException>(() =>
                kind == HostKind.Builtin ? WinFspHost.Mount(volume, options) : WinFsp.Package.PackageHost.Mount(volume, options));
            Assert.Contains(first.MountPoint, refused.Message, StringComparison.Ordinal);
        }
        image.AssertClean();
        first.Finish();
        second.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Watchers_hear_of_what_programs_change(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.ReadChanges();
        client.WriteAll(@"\made", "x"u8);
        client.Rename(@"\made", @"\moved");
        client.Delete(@"\moved");
        string[] changes = [.. client.ReadChanges().Select(c => $"{c.Action} {c.Name}")];
        // FILE_ACTION_ADDED 1, REMOVED 2, RENAMED_OLD_NAME 4, RENAMED_NEW_NAME 5: the driver's own doing, from what the host answers.
        foreach (string expected in (string[])[@"1 \made", @"4 \made", @"5 \moved", @"2 \moved"])
        {
            Assert.Contains(expected, changes);
        }
        mount.Finish();
    }
}
