using System.Buffers.Binary;
using WinLoop.Mounting.Windows;
using WinLoop.TestKit;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>The group "create": who may open what, and together with whom. Modes are those of the kernel, seen as
/// descriptors (<see cref="AclMode.Posix"/>).</summary>
public sealed class CreateAccessTests
{
    private static readonly WindowsOptions s_posix = new() { Acl = AclMode.Posix };

    // S-1-5-1000 is Linux' uid and gid 1000; S-1-1-0 everybody.
    private static readonly byte[] s_user1000 = Sid(5, 1000), s_everyone = Sid(1, 0), s_user7 = Sid(22, 1, 7_000_000);

    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_program_without_traverse_privilege_is_stopped_by_a_directory_above(HostKind kind)
    {
        using TestImage image = MakeImage();
        using var mount = new HostMount(kind, s_posix, image: image);
        StandInClient client = mount.Client;
        client.SetToken(s_user7, s_user7, Privileges.ChangeNotify, s_everyone);
        client.Trace(true);
        Assert.Equal(NtStatus.Success, client.CreateStatus(@"\closed\inner\open file", Access.Read));
        Assert.Equal(1, client.Trace(true).Count(c => c.Slot == Slot.GetSecurityByName));

        client.SetToken(s_user7, s_user7, Privileges.None, s_everyone);
        Assert.Equal(NtStatus.AccessDenied, client.CreateStatus(@"\closed\inner\open file", Access.Read));
        Assert.Equal([Slot.GetSecurityByName, Slot.GetSecurityByName], client.Trace(true).Select(c => c.Slot)); // "\" and "\closed"
        Assert.Equal(NtStatus.AccessDenied, client.CreateStatus(@"\closed\inner\new", disposition: Disposition.Create));
        Assert.Equal(NtStatus.Success, client.CreateStatus(@"\shared\open file", Access.Read));

        client.SetToken(s_user1000, s_user1000, Privileges.None, s_everyone); // the owner of "closed"
        client.Trace(true);
        Assert.Equal(NtStatus.Success, client.CreateStatus(@"\closed\inner\open file", Access.Read));
        Assert.Equal(4, client.Trace(false).Count(c => c.Slot == Slot.GetSecurityByName));
        Assert.Equal(NtStatus.ObjectPathNotFound, client.CreateStatus(@"\closed\nowhere\f", Access.Read));
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Backup_reads_and_restore_writes_what_others_may_not(HostKind kind)
    {
        using TestImage image = MakeImage();
        using var mount = new HostMount(kind, s_posix, image: image);
        StandInClient client = mount.Client;
        client.SetToken(s_user7, s_user7, Privileges.ChangeNotify | Privileges.Backup | Privileges.Restore, s_everyone);
        Assert.Equal(NtStatus.AccessDenied, client.CreateStatus(@"\shared\secret", Access.Read)); // privileges count with the intent only

        client.SetToken(s_user7, s_user7, Privileges.ChangeNotify | Privileges.Backup, s_everyone);
        using (NtFile file = client.Create(@"\shared\secret", Access.Read, Disposition.Open, Options.BackupIntent))
        {
            Assert.Equal("for 1000\n"u8.ToArray(), file.ReadAll());
        }
        Assert.Equal(NtStatus.AccessDenied, client.CreateStatus(@"\shared\secret", Access.WriteData, options: Options.BackupIntent));
        Assert.Equal(NtStatus.AccessDenied, client.CreateStatus(@"\closed\f", Access.WriteData, Disposition.Create, Options.BackupIntent));

        client.SetToken(s_user7, s_user7, Privileges.ChangeNotify | Privileges.Restore, s_everyone);
        Assert.Equal(NtStatus.AccessDenied, client.CreateStatus(@"\shared\secret", Access.ReadData, options: Options.BackupIntent));
        using (NtFile file = client.Create(@"\shared\secret", Access.Write | Access.Delete, Disposition.Open, Options.BackupIntent))
        {
            file.Write(0, "restored"u8);
        }
        using (NtFile file = client.Create(@"\closed\f", Access.Write, Disposition.Create, Options.BackupIntent))
        {
            file.Write(0, "new"u8);
        }
        mount.Finish();
        Assert.Equal("restored\nnew", mount.Image.WithKernel("cat $M/shared/secret $M/closed/f"));
        Assert.Equal("1000:1000 1000:1000\n", mount.Image.WithKernel("cd $M; echo $(stat -c %u:%g shared/secret closed/f)"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Rights_are_those_of_the_mode_and_the_directory_gives_the_right_to_delete(HostKind kind)
    {
        using TestImage image = MakeImage();
        using var mount = new HostMount(kind, s_posix, image: image);
        StandInClient client = mount.Client;
        client.SetToken(s_user7, s_user7, Privileges.ChangeNotify, s_everyone);
        Assert.Equal(NtStatus.AccessDenied, client.CreateStatus(@"\shared\secret", Access.ReadData));
        Assert.Equal(NtStatus.AccessDenied, client.CreateStatus(@"\shared\open file", Access.WriteData));
        Assert.Equal(NtStatus.AccessDenied, client.CreateStatus(@"\shared\open file", Access.Read, Disposition.OverwriteIf));
        Assert.Equal(NtStatus.AccessDenied, client.CreateStatus(@"\closed\f", disposition: Disposition.OpenIf));
        Assert.False(client.Exists(@"\closed\f"));
        client.Delete(@"\shared\secret"); // mode 777 of the directory
        Assert.Equal(NtStatus.AccessDenied, client.CreateStatus(@"\closed\inner\open file", Access.Delete));
        mount.Finish();
        Assert.Equal("open file\n", mount.Image.WithKernel("ls $M/shared"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_descriptor_given_at_creation_is_accepted_and_the_file_is_the_directorys_owners(HostKind kind)
    {
        using TestImage image = MakeImage();
        using var mount = new HostMount(kind, s_posix, image: image);
        StandInClient client = mount.Client;
        // Owner and group S-1-22-1-7000000, no DACL.
        byte[] descriptor = new byte[20 + (2 * s_user7.Length)];
        descriptor[0] = 1;
        descriptor[3] = 0x80;
        BinaryPrimitives.WriteInt32LittleEndian(descriptor.AsSpan(4), 20);
        BinaryPrimitives.WriteInt32LittleEndian(descriptor.AsSpan(8), 20 + s_user7.Length);
        s_user7.CopyTo(descriptor, 20);
        s_user7.CopyTo(descriptor, 20 + s_user7.Length);
        client.SetToken(s_user1000, s_user1000, Privileges.ChangeNotify, s_everyone);
        client.Create(@"\closed\f", disposition: Disposition.Create, descriptor: descriptor).Dispose();
        Assert.Equal(NtStatus.InvalidSecurityDescriptor, client.CreateStatus(@"\closed\g", disposition: Disposition.Create, descriptor: [1, 2, 3]));
        using (NtFile file = client.Create(@"\closed\f", Access.Read, Disposition.Open))
        {
            byte[] given = file.GetSecurity(1);
            Assert.True(given.AsSpan(BinaryPrimitives.ReadInt32LittleEndian(given.AsSpan(4))).StartsWith(s_user1000));
        }
        mount.Finish();
        Assert.Equal("1000:1000 644 f\n", mount.Image.WithKernel("cd $M/closed; stat -c '%u:%g %a %n' f"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Two_opens_go_together_if_each_shares_what_the_other_does(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient one = mount.Client, two = mount.Connect();
        one.WriteAll(@"\f", "x"u8);
        (Access Access, Share Needs)[] ways =
            [(Access.ReadData, Share.Read), (Access.Execute, Share.Read), (Access.WriteData, Share.Write), (Access.AppendData, Share.Write),
             (Access.Delete, Share.Delete), (Access.ReadAttributes, Share.None)];
        foreach ((Access access, Share needs) in ways)
        {
            for (Share share = Share.None; share <= Share.All; share++)
            {
                using NtFile first = one.Create(@"\f", access, Disposition.Open, share: share);
                foreach ((Access otherAccess, Share otherNeeds) in ways)
                {
                    for (Share otherShare = Share.None; otherShare <= Share.All; otherShare++)
                    {
                        bool takesPart = needs != Share.None && otherNeeds != Share.None;
                        bool fits = !takesPart || (share.HasFlag(otherNeeds) && otherShare.HasFlag(needs));
                        NtStatus status = two.CreateStatus(@"\F", otherAccess, share: otherShare);
                        Assert.True(status == (fits ? NtStatus.Success : NtStatus.SharingViolation),
                            $"{access} sharing {share}, then {otherAccess} sharing {otherShare}: {status}");
                    }
                }
            }
        }
        // What was opened in vain was closed again, without Cleanup.
        Assert.Equal((0, 0), (one.GetStatistics().OpenHandles, one.GetStatistics().OpenContexts));
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void What_is_overwritten_in_vain_keeps_its_content(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.WriteAll(@"\f", "kept"u8);
        using (NtFile reader = client.Create(@"\f", Access.Read, Disposition.Open, share: Share.Read))
        {
            client.Trace(true);
            Assert.Equal(NtStatus.SharingViolation, client.CreateStatus(@"\f", Access.Write, Disposition.OverwriteIf));
            Assert.Equal([Slot.GetSecurityByName, Slot.Open, Slot.Close], client.Trace(false).Select(c => c.Slot));
            Assert.Equal("kept"u8.ToArray(), reader.ReadAll());
        }
        // A current directory: its handle shares no delete.
        client.MakeDirectory(@"\cwd");
        using (client.Create(@"\cwd", Access.Read, Disposition.Open, Options.Directory, Share.Read | Share.Write))
        {
            Assert.Equal(NtStatus.SharingViolation, client.CreateStatus(@"\cwd", Access.Delete, options: Options.Directory));
            client.WriteAll(@"\cwd\f", "x"u8);
        }
        mount.Finish();
    }

    // closed (700, uid 1000) / inner (755) / open file (644); shared (777) / open file (644), secret (600, uid 1000)
    private static TestImage MakeImage()
    {
        TestImage image = TestImage.Make(16);
        image.WithKernel("""
            cd $M; mkdir -p closed/inner shared
            echo open | tee closed/inner/'open file' > shared/'open file'
            echo for 1000 > shared/secret
            chown -R 1000:1000 closed shared/secret; chmod 600 shared/secret; chmod 777 shared; chmod 700 closed
            """);
        return image;
    }

    private static byte[] Sid(byte authority, params uint[] parts)
    {
        byte[] sid = new byte[8 + (4 * parts.Length)];
        sid[0] = 1;
        sid[1] = (byte)parts.Length;
        sid[7] = authority;
        for (int i = 0; i < parts.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(sid.AsSpan(8 + (4 * i)), parts[i]);
        }
        return sid;
    }
}
