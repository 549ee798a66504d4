using WinLoop.Mounting.Windows;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>What posix mode makes of descriptors, judged by the kernel's stat; and what is no descriptor for it.</summary>
public sealed class SecurityRulesTests
{
    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    private const uint Always = (uint)(Access.Synchronize | Access.ReadControl | Access.ReadAttributes | Access.ReadEa);
    private const int Uid = 5000, Gid = 6000;

    private static readonly byte[] s_stranger = Descriptor.Sid(5, 21, 1, 2, 3, 2002), s_strangers = Descriptor.Sid(5, 21, 1, 2, 3, 2003);

    private static readonly WindowsOptions s_posix = new()
    {
        Acl = AclMode.Posix, OwnerSid = Descriptor.DefaultUser, GroupSid = Descriptor.DefaultGroup, Uid = Uid, Gid = Gid, Umask = 0x17,
    };

    private static StandInClient ConnectAs(HostMount mount, byte[] user, byte[] group, Privileges privileges = Privileges.ChangeNotify)
    {
        StandInClient client = mount.Connect();
        client.SetToken(user, group, privileges, group, Descriptor.Everyone);
        return client;
    }

    private static uint Rights(int bits) => Always | ((bits & 4) != 0 ? 1u : 0) | ((bits & 2) != 0 ? 6u : 0) | ((bits & 1) != 0 ? 0x20u : 0);

    private static byte[] Allowing(int mode) => Descriptor.Make(Descriptor.DefaultUser, Descriptor.DefaultGroup,
        (Descriptor.DefaultUser, Rights(mode >> 6) | (uint)(Access.WriteDac | Access.WriteOwner), true), (Descriptor.DefaultGroup, Rights(mode >> 3), true), (Descriptor.Everyone, Rights(mode), true));

    // Entries that allow add up: a mode that gives others no more than the group, and the group no more than the owner.
    private static IEnumerable<int> GrowingModes() => Enumerable.Range(0, 512).Where(m => (m & 7 & ~(m >> 3)) == 0 && (m >> 3 & 7 & ~(m >> 6)) == 0);

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_descriptor_that_allows_is_the_mode_that_allows_the_same(HostKind kind)
    {
        using TestKit.TestImage image = TestKit.TestImage.Make(32);
        image.WithKernel($"cd $M; chown {Uid}:{Gid} .; chmod 755 .; mkdir s; chown {Uid}:{Gid} s; chmod 2775 s; touch set; chown {Uid}:{Gid} set; chmod 4755 set");
        using var mount = new HostMount(kind, s_posix, image: image);
        using StandInClient member = ConnectAs(mount, s_stranger, Descriptor.DefaultGroup), other = ConnectAs(mount, s_stranger, s_strangers);
        int[] modes = [.. GrowingModes()];
        Assert.Equal(64, modes.Length);
        foreach (int mode in modes)
        {
            string path = $@"\{Convert.ToString(mode, 8):0}";
            using (NtFile file = mount.Client.Create(path, Access.WriteDac, Disposition.Create))
            {
                file.SetSecurity(Descriptor.Dacl, Allowing(mode)).ThrowIfFailed(path);
            }
            foreach ((StandInClient client, int bits) in ((StandInClient, int)[])[(mount.Client, mode >> 6), (member, mode >> 3), (other, mode)])
            {
                Assert.Equal((path, bits & 7), (path, (Opens(client, path, Access.ReadData) ? 4 : 0) | (Opens(client, path, Access.WriteData) ? 2 : 0) | (Opens(client, path, Access.Execute) ? 1 : 0)));
            }
        }
        foreach (string path in (string[])[@"\s", @"\set"])
        {
            using NtFile file = mount.Client.Create(path, Access.WriteDac, Disposition.Open);
            file.SetSecurity(Descriptor.Dacl, Allowing(0x1C8)).ThrowIfFailed(path);
        }
        mount.Finish();
        // The bits that no descriptor speaks of stay.
        Assert.Equal($"2710 {Uid}:{Gid}\n4710 {Uid}:{Gid}\n", image.WithKernel("cd $M; stat -c '%a %u:%g' s set"));
        Assert.Equal("64\n", image.WithKernel("cd $M; for f in [0-7]*; do [ $f = $(stat -c %a $f) ] || { echo $f is $(stat -c %a $f); exit 1; }; echo $f; done | wc -l"));

        static bool Opens(StandInClient client, string path, Access access) => client.CreateStatus(path, access) == NtStatus.Success;
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Owner_and_group_are_changed_and_what_is_nobody_is_refused(HostKind kind)
    {
        using TestKit.TestImage image = TestKit.TestImage.Make(32);
        image.WithKernel($"cd $M; for f in a b c; do touch $f; chown {Uid}:{Gid} $f; done; ln -s a link; chown -h {Uid}:{Gid} link");
        using var mount = new HostMount(kind, s_posix, image: image);
        StandInClient client = mount.Client;
        byte[] user = Descriptor.Sid(22, 1, 2_000_000), group = Descriptor.Sid(22, 2, 2_000_001);
        using (NtFile a = client.Create(@"\a", Access.ReadControl | Access.WriteOwner, Disposition.Open))
        {
            a.SetSecurity(Descriptor.Owner | Descriptor.Group, Descriptor.Make(user, group)).ThrowIfFailed("owner and group");
            byte[] now = a.GetSecurity(Descriptor.All);
            Assert.Equal((Convert.ToHexString(user), Convert.ToHexString(group)), (Convert.ToHexString(Descriptor.OwnerOf(now)), Convert.ToHexString(Descriptor.GroupOf(now))));
        }
        using (NtFile b = client.Create(@"\b", Access.ReadControl | Access.WriteOwner | Access.WriteDac, Disposition.Open))
        {
            byte[] before = b.GetSecurity(Descriptor.All);
            byte[] nobody = Descriptor.Sid(5, 21, 9, 9, 9, 77);
            Assert.Equal(NtStatus.InvalidOwner, b.SetSecurity(Descriptor.Owner, Descriptor.Make(nobody, group)));
            Assert.Equal(NtStatus.InvalidOwner, b.SetSecurity(Descriptor.Group, Descriptor.Make(user, nobody)));
            Assert.Equal(NtStatus.InvalidOwner, b.SetSecurity(Descriptor.All, Descriptor.Make(user, nobody)));
            Assert.Equal(NtStatus.NotSupported, b.SetSecurity(Descriptor.Dacl, Descriptor.Make(user, group, (nobody, Rights(4), true))));
            Assert.Equal(NtStatus.NotSupported, b.SetSecurity(Descriptor.Dacl, Descriptor.Make(user, group, (Descriptor.Everyone, Rights(4), true), (nobody, Rights(4), false))));
            Assert.Equal(NtStatus.InvalidSecurityDescriptor, b.SetSecurity(Descriptor.Dacl, Allowing(0x1C0)[..^4]));
            Assert.Equal(before, b.GetSecurity(Descriptor.All));
            // What is read is what can be set.
            b.SetSecurity(Descriptor.All, before).ThrowIfFailed("set what was read");
            Assert.Equal(before, b.GetSecurity(Descriptor.All));
            Assert.Equal(Descriptor.DefaultUser, Descriptor.OwnerOf(before));
        }
        using (NtFile c = client.Create(@"\c", Access.ReadControl, Disposition.Open))
        {
            Assert.Equal(NtStatus.AccessDenied, c.SetSecurity(Descriptor.Owner, Descriptor.Make(user, group)));
            Assert.Equal(NtStatus.AccessDenied, c.SetSecurity(Descriptor.Dacl, Allowing(0)));
        }
        using (NtFile link = client.Create(@"\link", Access.ReadControl | Access.WriteOwner | Access.WriteDac, Disposition.Open, Options.OpenReparsePoint))
        {
            // The owner of a link is its own; its mode is every link's.
            link.SetSecurity(Descriptor.All, Descriptor.Make(user, group, (user, Rights(7), true))).ThrowIfFailed("link");
        }
        mount.Finish();
        Assert.Equal($"644 2000000:2000001\n644 {Uid}:{Gid}\n644 {Uid}:{Gid}\n777 2000000:2000001\n", image.WithKernel("cd $M; stat -c '%a %u:%g' a b c link"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Directories_decide_about_their_names_and_what_is_made_is_the_options(HostKind kind)
    {
        using TestKit.TestImage image = TestKit.TestImage.Make(32);
        image.WithKernel($$"""
            cd $M; chmod 755 .; mkdir private open sticky; chmod 700 private; chmod 777 open; chmod 1777 sticky; chown {{Uid}}:{{Gid}} private open sticky
            for d in private open sticky; do touch $d/file; chmod 666 $d/file; chown {{Uid}}:{{Gid}} $d/file; done
            """);
        using var mount = new HostMount(kind, s_posix, image: image);
        using (StandInClient other = ConnectAs(mount, s_stranger, s_strangers), walker = ConnectAs(mount, s_stranger, s_strangers, Privileges.None))
        {
            // Everybody has SeChangeNotify and walks through; who has not is stopped at the door.
            Assert.Equal(NtStatus.Success, other.CreateStatus(@"\private\file", Access.Read));
            Assert.Equal(NtStatus.AccessDenied, walker.CreateStatus(@"\private\file", Access.Read));
            Assert.Equal(NtStatus.Success, walker.CreateStatus(@"\open\file", Access.Read));
            Assert.Equal(NtStatus.AccessDenied, other.CreateStatus(@"\private", Access.ReadData));
            Assert.Equal(NtStatus.AccessDenied, other.CreateStatus(@"\private\new", disposition: Disposition.Create));
            Assert.Equal(NtStatus.AccessDenied, other.CreateStatus(@"\new", disposition: Disposition.Create));
            Assert.Equal(NtStatus.AccessDenied, other.CreateStatus(@"\private\file", Access.Delete));
            Assert.Equal(NtStatus.AccessDenied, other.CreateStatus(@"\sticky\file", Access.Delete));
            Assert.Equal(NtStatus.Success, other.CreateStatus(@"\sticky\new", disposition: Disposition.Create));
            other.Delete(@"\open\file");
        }
        using (NtFile file = mount.Client.Create(@"\open\made", disposition: Disposition.Create, descriptor: Allowing(0x1FF)))
        {
            file.Write(0, "x"u8);
        }
        mount.Client.MakeDirectory(@"\open\folder");
        mount.Client.Delete(@"\sticky\file");
        mount.Finish();
        // A descriptor at creation counts for nothing; the umask (027) does.
        Assert.Equal($"750 {Uid}:{Gid}\n640 {Uid}:{Gid}\n640 {Uid}:{Gid}\n", image.WithKernel("cd $M; stat -c '%a %u:%g' open/folder open/made sticky/new"));
        Assert.Equal("new\n", image.WithKernel("ls $M/sticky"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Without_posix_a_descriptor_is_taken_and_forgotten_but_has_to_be_one(HostKind kind)
    {
        foreach (AclMode mode in (AclMode[])[AclMode.Everyone, AclMode.Owner])
        {
            using var mount = new HostMount(kind, new WindowsOptions { Acl = mode, OwnerSid = Descriptor.DefaultUser, GroupSid = Descriptor.DefaultGroup });
            mount.Client.WriteAll(@"\file", "x"u8);
            using (NtFile file = mount.Client.Create(@"\file", Access.All, Disposition.Open))
            {
                byte[] before = file.GetSecurity(Descriptor.All);
                Assert.Equal(NtStatus.Success, file.SetSecurity(Descriptor.All, Descriptor.Make(s_stranger, s_strangers, (s_stranger, Rights(7), true))));
                Assert.Equal(before, file.GetSecurity(Descriptor.All));
                byte[] sound = Allowing(0x1C0);
                foreach (int length in (int[])[0, 1, 19, 20, sound.Length - 1])
                {
                    Assert.Equal((length, NtStatus.InvalidSecurityDescriptor), (length, file.SetSecurity(Descriptor.Dacl, sound[..length])));
                }
            }
            mount.Finish();
            Assert.Equal("644 0:0\n", mount.Image.WithKernel("stat -c '%a %u:%g' $M/file"));
        }
    }
}
