using System.Globalization;
using WinLoop.Mounting.Windows;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>Counterparts of winfsp-tests' "getvolinfo", "setvolinfo", "volpath" and "devctl": figures, labels, mount points,
/// control codes.</summary>
public sealed class VolumeRulesTests
{
    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Figures_are_those_of_the_kernel(HostKind kind)
    {
        using TestKit.TestImage image = TestKit.TestImage.Make(48, "-b 1024 -m 10");
        var mount = new HostMount(kind, image: image);
        mount.Client.WriteAll(@"\file", new byte[3 << 20]);
        VolumeAnswer said = mount.Client.QueryVolume();
        mount.Finish();
        ulong[] kernel = [.. mount.Image.WithKernel("stat -f -c '%b %a %f %S' $M").Split(' ').Select(n => ulong.Parse(n, CultureInfo.InvariantCulture))];
        Assert.Equal(kernel[0] * kernel[3], said.TotalSize);
        // Root's tenth is not free for others, nor is what may still be needed for metadata: less than the kernel keeps.
        ulong root = said.TotalSize / 10;
        Assert.InRange(said.FreeSize, kernel[1] * kernel[3], (kernel[2] * kernel[3]) - root);
        Assert.Equal(1024, said.SectorSize * said.SectorsPerUnit);
        var asRoot = new HostMount(kind, new WindowsOptions { Acl = AclMode.Everyone, Uid = 0 }, image: image);
        Assert.InRange(asRoot.Client.QueryVolume().FreeSize, (kernel[2] * kernel[3]) - (1 << 20), kernel[2] * kernel[3]);
        asRoot.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Labels_are_kept_to_the_byte_or_refused_whole(HostKind kind)
    {
        using TestKit.TestImage image = TestKit.TestImage.Make(16, "-L 'made by mkfs'");
        uint serial;
        {
            var mount = new HostMount(kind, image: image);
            StandInClient client = mount.Client;
            Assert.Equal("made by mkfs", client.QueryVolume().Label);
            serial = client.QueryVolume().SerialNumber;
            foreach (string good in (string[])["", "x", "0123456789abcdef", "äöüäöüäö", "漢字漢字漢x", "a/b:c*", "\U0001F600\U0001F600\U0001F600\U0001F600"])
            {
                Assert.Equal((good, NtStatus.Success), (good, client.SetLabel(good)));
                Assert.Equal(good, client.QueryVolume().Label);
            }
            client.SetLabel("stays").ThrowIfFailed("label");
            foreach (string bad in (string[])["0123456789abcdefg", "äöüäöüäöü", "漢字漢字漢字", "half \uD83D", "\uDE00 half", new string('x', 32)])
            {
                Assert.Equal((bad, NtStatus.InvalidVolumeLabel), (bad, client.SetLabel(bad)));
                Assert.Equal("stays", client.QueryVolume().Label);
            }
            client.SetLabel("Grüße").ThrowIfFailed("label");
            mount.Finish();
        }
        Assert.Equal("Grüße\n", TestKit.Shell.Script($"e2label {image.Path}"));
        var readOnly = new HostMount(kind, image: image, readOnly: true);
        Assert.Equal("Grüße", readOnly.Client.QueryVolume().Label);
        Assert.Equal(serial, readOnly.Client.QueryVolume().SerialNumber);
        Assert.Equal(NtStatus.MediaWriteProtected, readOnly.Client.SetLabel("other"));
        readOnly.Host.Unmount(force: true);
        using (var other = new HostMount(kind, megabytes: 16))
        {
            Assert.NotEqual(serial, other.Client.QueryVolume().SerialNumber);
        }
        image.AssertClean();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void The_first_free_letter_is_taken_and_given_back(HostKind kind)
    {
        using TestKit.TestImage one = TestKit.TestImage.Make(16), two = TestKit.TestImage.Make(16);
        var first = new HostMount(kind, image: one, mountPoint: "*");
        var second = new HostMount(kind, image: two, mountPoint: "*");
        Assert.Equal(("Z:", "Y:"), (first.MountPoint, second.MountPoint));
        first.Client.WriteAll(@"\file", "first"u8);
        second.Client.WriteAll(@"\file", "second"u8);
        // A link with its own drive's name stays on the drive; one to another drive is the system's to follow.
        using (NtFile link = first.Client.Create(@"\own", disposition: Disposition.Create))
        {
            link.SetReparsePoint(ReparseBuffer.MakeSymlink(@"\??\Z:\file", isRelative: false)).ThrowIfFailed("set");
        }
        using (NtFile link = first.Client.Create(@"\foreign", disposition: Disposition.Create))
        {
            link.SetReparsePoint(ReparseBuffer.MakeSymlink(@"\??\Y:\file", isRelative: false)).ThrowIfFailed("set");
        }
        Assert.Equal("first"u8.ToArray(), first.Client.ReadAll(@"\own"));
        Assert.Equal(NtStatus.Reparse, first.Client.CreateStatus(@"\foreign", Access.Read));
        first.Finish();
        var again = new HostMount(kind, image: one, mountPoint: "*:");
        Assert.Equal("Z:", again.MountPoint);
        again.Finish();
        second.Finish();
        Assert.Equal("/??/Y:/file\n/??/Z:/file\n", one.WithKernel("cd $M; readlink foreign own"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_folder_is_a_mount_point_and_a_taken_one_leaves_the_image_alone(HostKind kind)
    {
        using var mount = new HostMount(kind, mountPoint: @"C:\mnt\image");
        Assert.Equal(@"C:\mnt\image", mount.MountPoint);
        mount.Client.WriteAll(@"\file", "x"u8);
        using TestKit.TestImage other = TestKit.TestImage.Make(16);
        string before = TestKit.Shell.Script($"sha256sum {other.Path}");
        using (Ext4.Ext4Volume volume = other.Mount(new Ext4.Ext4MountOptions { IsReadOnly = true }))
        {
            foreach (string taken in (string[])[@"C:\mnt\image", @"c:\MNT\Image"])
            {
                var options = new WinFsp.Hosting.WinFspMountOptions { MountPoint = taken, LibraryPath = StandIn.StandInLibrary.Linux };
                Assert.Equal(NtStatus.ObjectNameCollision, Assert.Throws<WinFsp.Hosting.WinFspMountException>(() =>
                    kind == HostKind.Builtin ? WinFsp.Hosting.WinFspHost.Mount(volume, options) : WinFsp.Package.PackageHost.Mount(volume, options)).Status);
            }
        }
        Assert.Equal(before, TestKit.Shell.Script($"sha256sum {other.Path}"));
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Control_codes_are_refused(HostKind kind)
    {
        using var mount = new HostMount(kind);
        using (NtFile file = mount.Client.Create(@"\file", disposition: Disposition.Create))
        {
            // FSP's own range, METHOD_BUFFERED; FSCTL_SET_SPARSE and FSCTL_SET_COMPRESSION.
            foreach (uint code in (uint[])[0x8000_2000, 0xC000_0004, 0x000900C4, 0x0009C040])
            {
                Assert.Equal((code, NtStatus.InvalidDeviceRequest, 0), (code, file.Control(code, [1, 2, 3], 100).Status, file.Control(code, [], 100).Output.Length));
            }
        }
        Assert.Equal(0, mount.Client.GetCounters()[Slot.Control]);
        mount.Finish();
    }
}
