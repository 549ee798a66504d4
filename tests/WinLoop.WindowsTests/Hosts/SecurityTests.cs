using WinLoop.Mounting.Windows;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>Counterparts of winfsp-tests' "security" group: who gets in, in each mode, and what setting a descriptor does.</summary>
public sealed class SecurityTests
{
    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    private static readonly byte[] s_stranger = Descriptor.Sid(5, 21, 1, 2, 3, 2002), s_strangers = Descriptor.Sid(5, 21, 1, 2, 3, 2003);

    private static StandInClient ConnectAs(HostMount mount, byte[] user, byte[] group, Privileges privileges = Privileges.ChangeNotify)
    {
        StandInClient client = mount.Connect();
        client.SetToken(user, group, privileges, group, Descriptor.Everyone);
        return client;
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void In_owner_mode_the_owner_has_everything_and_strangers_nothing_at_any_depth(HostKind kind)
    {
        using TestKit.TestImage image = TestKit.TestImage.Make(32);
        image.WithKernel("cd $M; mkdir -p a/b; echo x > a/b/open; chmod 777 a a/b; chmod 666 a/b/open; echo y > root; chmod 0 root");
        var options = new WindowsOptions { OwnerSid = Descriptor.DefaultUser, GroupSid = Descriptor.DefaultGroup };
        using var mount = new HostMount(kind, options, image: image);
        StandInClient client = mount.Client;
        Assert.Equal("x\n"u8.ToArray(), client.ReadAll(@"\a\b\open"));
        Assert.Equal("y\n"u8.ToArray(), client.ReadAll(@"\root"));
        client.WriteAll(@"\a\b\new", "z"u8);
        using (StandInClient stranger = ConnectAs(mount, s_stranger, s_strangers))
        {
            // Windows checks the leaf alone: the root's closed door would protect nothing.
            foreach (string path in (string[])[@"\", @"\a", @"\a\b", @"\a\b\open", @"\a\b\new", @"\root"])
            {
                Assert.Equal((path, NtStatus.AccessDenied), (path, stranger.CreateStatus(path, Access.ReadData)));
                Assert.Equal((path, NtStatus.AccessDenied), (path, stranger.CreateStatus(path, Access.Delete)));
                Assert.Equal((path, NtStatus.AccessDenied), (path, stranger.CreateStatus(path, Access.WriteDac)));
            }
            Assert.Equal(NtStatus.AccessDenied, stranger.CreateStatus(@"\a\b\made", disposition: Disposition.Create));
        }
        using (StandInClient administrator = mount.Connect())
        {
            administrator.SetToken(s_stranger, s_strangers, Privileges.ChangeNotify, Descriptor.Administrators);
            Assert.Equal(NtStatus.Success, administrator.CreateStatus(@"\a\b\open", Access.All));
        }
        using (NtFile file = client.Create(@"\a\b\open", Access.All, Disposition.Open))
        {
            byte[] descriptor = file.GetSecurity(Descriptor.All);
            Assert.Equal(Descriptor.DefaultUser, Descriptor.OwnerOf(descriptor));
            Assert.Equal(Descriptor.DefaultGroup, Descriptor.GroupOf(descriptor));
            // Programs that copy descriptors go on; Linux' mode stays as it is.
            Assert.Equal(NtStatus.Success, file.SetSecurity(Descriptor.Dacl, Descriptor.Make(Descriptor.DefaultUser, Descriptor.DefaultGroup, (Descriptor.Everyone, 0x1F01FFu, true))));
            Assert.Equal(descriptor, file.GetSecurity(Descriptor.All));
        }
        mount.Finish();
        Assert.Equal("666\n", image.WithKernel("stat -c %a $M/a/b/open"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void In_everyone_mode_all_have_everything(HostKind kind)
    {
        using var mount = new HostMount(kind, new WindowsOptions { Acl = AclMode.Everyone });
        mount.Client.WriteAll(@"\file", "x"u8);
        using (StandInClient stranger = ConnectAs(mount, s_stranger, s_strangers))
        {
            Assert.Equal(NtStatus.Success, stranger.CreateStatus(@"\file", Access.All));
            stranger.WriteAll(@"\theirs", "y"u8);
            stranger.Delete(@"\file");
        }
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void In_posix_mode_the_mode_decides_and_a_descriptor_is_a_chmod(HostKind kind)
    {
        using TestKit.TestImage image = TestKit.TestImage.Make(32);
        image.WithKernel("cd $M; chmod 777 .; for m in 600 640 644 000 604; do echo $m > f$m; chmod $m f$m; chown 5000:6000 f$m; done; mkdir own; chown 5000:6000 own");
        var options = new WindowsOptions
        {
            Acl = AclMode.Posix, OwnerSid = Descriptor.DefaultUser, GroupSid = Descriptor.DefaultGroup, Uid = 5000, Gid = 6000,
        };
        using var mount = new HostMount(kind, options, image: image);
        StandInClient owner = mount.Client;
        using StandInClient member = ConnectAs(mount, s_stranger, Descriptor.DefaultGroup), other = ConnectAs(mount, s_stranger, s_strangers);
        foreach ((string mode, bool asOwner, bool asMember, bool asOther) in ((string, bool, bool, bool)[])
            [("600", true, false, false), ("640", true, true, false), ("644", true, true, true), ("000", false, false, false), ("604", true, false, true)])
        {
            Assert.Equal((mode, asOwner, asMember, asOther), (mode, Reads(owner), Reads(member), Reads(other)));
            bool Reads(StandInClient client) => client.CreateStatus($@"\f{mode}", Access.Read) == NtStatus.Success;
        }
        Assert.Equal(NtStatus.AccessDenied, other.CreateStatus(@"\own\made", disposition: Disposition.Create));
        using (NtFile file = owner.Create(@"\f600", Access.ReadControl | Access.WriteDac | Access.WriteOwner, Disposition.Open))
        {
            byte[] descriptor = file.GetSecurity(Descriptor.All);
            Assert.Equal(Descriptor.DefaultUser, Descriptor.OwnerOf(descriptor));
            const uint Read = (uint)Access.Read, Full = 0x1F01FF;
            Assert.Equal(NtStatus.Success, file.SetSecurity(Descriptor.Dacl, Descriptor.Make(Descriptor.DefaultUser, Descriptor.DefaultGroup,
                (Descriptor.DefaultUser, Full, true), (Descriptor.DefaultGroup, Read, true), (Descriptor.Everyone, Read, true))));
            Assert.Equal(NtStatus.Success, member.CreateStatus(@"\f600", Access.Read));
            Assert.Equal(NtStatus.Success, other.CreateStatus(@"\f600", Access.Read));
            // What a mode cannot say is refused, not kept in part.
            Assert.Equal(NtStatus.NotSupported, file.SetSecurity(Descriptor.Dacl, Descriptor.Make(Descriptor.DefaultUser, Descriptor.DefaultGroup,
                (Descriptor.DefaultUser, Full, true), (Descriptor.Sid(5, 21, 9, 9, 9, 77), Read, true))));
        }
        using (NtFile file = owner.Create(@"\f600", Access.ReadControl, Disposition.Open))
        {
            Assert.Equal(NtStatus.AccessDenied, file.SetSecurity(Descriptor.Dacl, Descriptor.Make(Descriptor.DefaultUser, Descriptor.DefaultGroup)));
        }
        Assert.Equal(NtStatus.AccessDenied, member.CreateStatus(@"\f600", Access.WriteDac));
        member.Dispose();
        other.Dispose();
        mount.Finish();
        Assert.Equal("744 5000:6000\n", image.WithKernel("stat -c '%a %u:%g' $M/f600"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Privileges_of_backup_pass_and_garbage_does_not(HostKind kind)
    {
        var options = new WindowsOptions { OwnerSid = Descriptor.DefaultUser, GroupSid = Descriptor.DefaultGroup };
        using var mount = new HostMount(kind, options);
        mount.Client.WriteAll(@"\file", "x"u8);
        using (StandInClient backup = ConnectAs(mount, s_stranger, s_strangers, Privileges.ChangeNotify | Privileges.Backup))
        {
            Assert.Equal(NtStatus.AccessDenied, backup.CreateStatus(@"\file", Access.Read));
            Assert.Equal(NtStatus.Success, backup.CreateStatus(@"\file", Access.Read, options: Options.BackupIntent));
            Assert.Equal(NtStatus.AccessDenied, backup.CreateStatus(@"\file", Access.Write, options: Options.BackupIntent));
        }
        using (StandInClient restore = ConnectAs(mount, s_stranger, s_strangers, Privileges.ChangeNotify | Privileges.Restore))
        {
            Assert.Equal(NtStatus.Success, restore.CreateStatus(@"\file", Access.Write, options: Options.BackupIntent));
            Assert.Equal(NtStatus.AccessDenied, restore.CreateStatus(@"\file", Access.ReadData, options: Options.BackupIntent));
        }
        using (NtFile file = mount.Client.Create(@"\file", Access.All, Disposition.Open))
        {
            var random = new Random(6);
            for (int i = 0; i < 200; i++)
            {
                byte[] garbage = new byte[random.Next(200)];
                random.NextBytes(garbage);
                Assert.NotEqual(NtStatus.Success, file.SetSecurity(Descriptor.Dacl, garbage));
            }
        }
        mount.Finish();
    }
}
