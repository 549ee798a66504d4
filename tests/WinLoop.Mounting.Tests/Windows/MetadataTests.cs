using System.Text;
using WinLoop.Ext4;
using WinLoop.Ext4.Format;
using WinLoop.Mounting.Windows;

namespace WinLoop.Mounting.Tests.Windows;

public sealed class MetadataTests
{
    private const uint Keep = uint.MaxValue;

    [Fact]
    public void AttributesAreStoredOnlyWhereTheInodeDoesNotSayThem()
    {
        using var volume = new WindowsVolume();
        volume.Put("\\f");
        volume.MakeDirectory("\\d");
        Assert.Equal(DosAttributes.Archive, volume.Info("\\f").FileAttributes);
        Assert.Equal(DosAttributes.Directory, volume.Info("\\d").FileAttributes);
        Assert.False(HasAttribute(volume, "f", "user.DOSATTRIB"));
        WindowsFile file = volume.Open("\\f");
        Set(DosAttributes.Hidden | DosAttributes.System, DosAttributes.Hidden | DosAttributes.System);
        Assert.True(HasAttribute(volume, "f", "user.DOSATTRIB"));
        Set(Keep, DosAttributes.Hidden | DosAttributes.System);
        Set(DosAttributes.Normal, DosAttributes.Normal);
        Set(DosAttributes.Archive, DosAttributes.Archive);
        Assert.False(HasAttribute(volume, "f", "user.DOSATTRIB"));
        Set(DosAttributes.ReadOnly | DosAttributes.Archive, DosAttributes.ReadOnly | DosAttributes.Archive);
        Assert.False(HasAttribute(volume, "f", "user.DOSATTRIB"));
        Assert.Equal(0x8124, Mode(volume, "f"));
        Set(DosAttributes.Archive, DosAttributes.Archive);
        Assert.Equal(0x81A4, Mode(volume, "f"));
        Set(DosAttributes.Normal, DosAttributes.Normal);
        volume.Close(file, CleanupFlags.SetArchiveBit);
        Assert.Equal(DosAttributes.Archive, volume.Info("\\f").FileAttributes);
        volume.Remount();
        Assert.Equal(DosAttributes.Archive, volume.Info("\\f").FileAttributes);
        volume.Finish();

        void Set(uint attributes, uint expected)
        {
            Assert.Equal(NtStatus.Success, volume.Files.SetBasicInfo(file, attributes, 0, 0, 0, 0, out WindowsFileInfo info));
            Assert.Equal(expected, info.FileAttributes);
        }
    }

    [Fact]
    public void CreatedFilesGetAttributesOwnerAndMode()
    {
        using var volume = new WindowsVolume(options: new WindowsOptions { HideDotFiles = true, Umask = 0x3F });
        Inode root = volume.Volume.GetInode(Ext4Volume.RootInode);
        volume.Volume.SetAttributes(root, new AttributeChanges { Uid = 1000, Gid = 1001 }, Caller.Root);
        volume.Volume.Release(root);
        volume.Close(volume.Create("\\f", attributes: DosAttributes.Hidden | DosAttributes.ReadOnly));
        volume.Close(volume.Create("\\d", isDirectory: true, attributes: DosAttributes.System));
        volume.Put("\\.dot");
        Assert.Equal(DosAttributes.Hidden | DosAttributes.ReadOnly | DosAttributes.Archive, volume.Info("\\f").FileAttributes);
        Assert.Equal(DosAttributes.Directory | DosAttributes.System, volume.Info("\\d").FileAttributes);
        Assert.Equal(DosAttributes.Hidden | DosAttributes.Archive, volume.Info("\\.dot").FileAttributes);
        Inode file = DeleteRenameTests.Lookup(volume, "f");
        WinLoop.Ext4.FileAttributes stat = volume.Volume.GetAttributes(file);
        Assert.Equal((0x8100, 1000u, 1001u), (stat.Mode, stat.Uid, stat.Gid));
        volume.Volume.Release(file);
        Assert.Equal(0x41C0, Mode(volume, "d"));
        volume.Remount(new WindowsOptions { Uid = 7, Gid = 8 });
        volume.Put("\\g");
        file = DeleteRenameTests.Lookup(volume, "g");
        stat = volume.Volume.GetAttributes(file);
        Assert.Equal((0x81A4, 7u, 8u), (stat.Mode, stat.Uid, stat.Gid));
        volume.Volume.Release(file);
        volume.Finish();
    }

    [Fact]
    public void TimesAreKeptTo100Nanoseconds()
    {
        using var volume = new WindowsVolume();
        volume.Put("\\f");
        WindowsFile file = volume.Open("\\f");
        Assert.Equal(NtStatus.Success, volume.Files.SetBasicInfo(file, Keep, 132_000_000_000_000_001, 132_000_000_000_000_002,
            132_000_000_000_000_003, 132_000_000_000_000_004, out _));
        Assert.Equal(NtStatus.Success, volume.Files.SetBasicInfo(file, Keep, 0, ulong.MaxValue, ulong.MaxValue - 1, 132_000_000_000_000_004, out _));
        volume.Files.Write(file, "x"u8, 0, false, false, out _, out WindowsFileInfo info);
        Assert.Equal(132_000_000_000_000_003ul, info.LastWriteTime);
        volume.Close(file);
        volume.Remount();
        info = volume.Info("\\f");
        Assert.Equal((132_000_000_000_000_001ul, 132_000_000_000_000_002ul, 132_000_000_000_000_003ul), (info.CreationTime, info.LastAccessTime, info.LastWriteTime));
        file = volume.Open("\\f");
        volume.Close(file, CleanupFlags.SetLastWriteTime | CleanupFlags.SetLastAccessTime);
        info = volume.Info("\\f");
        Assert.True(info.LastWriteTime > 133_000_000_000_000_000 && info.LastAccessTime == info.LastWriteTime);
        volume.Finish();
    }

    [Fact]
    public void InodesWithoutABirthTimeKeepItWithTheAttributes()
    {
        using var volume = new WindowsVolume(create: new WinLoop.Ext4.Create.Ext4CreateOptions { IsZeroed = true, InodeSize = 128, BlockSize = 4096 });
        volume.Put("\\f");
        WindowsFile file = volume.Open("\\f");
        Assert.Equal(NtStatus.Success, volume.Files.GetFileInfo(file, out WindowsFileInfo info));
        Assert.Equal(info.LastWriteTime, info.CreationTime);
        Assert.Equal(NtStatus.Success, volume.Files.SetBasicInfo(file, DosAttributes.Hidden, 132_000_000_000_000_001, 0, 0, 0, out info));
        volume.Files.SetBasicInfo(file, DosAttributes.System, 0, 0, 0, 0, out info);
        Assert.Equal((132_000_000_000_000_001ul, DosAttributes.System), (info.CreationTime, info.FileAttributes));
        volume.Close(file);
        volume.Remount();
        Assert.Equal(132_000_000_000_000_001ul, volume.Info("\\f").CreationTime);
        volume.Finish();
    }

    [Fact]
    public void StreamsLiveInAttributes()
    {
        using var volume = new WindowsVolume();
        volume.Put("\\f", "main");
        volume.MakeDirectory("\\d");
        Assert.Equal(NtStatus.ObjectNameNotFound, volume.TryOpen("\\f:Zone.Identifier").Status);
        Assert.False(volume.Exists("\\f:Zone.Identifier"));
        WindowsFile stream = volume.Create("\\f:Zone.Identifier");
        Assert.True(stream.DisableCache);
        Assert.Equal("\\f:Zone.Identifier", volume.NormalizedName(stream));
        Assert.Equal(NtStatus.Success, volume.Files.Write(stream, "[ZoneTransfer]"u8, 0, false, false, out int count, out WindowsFileInfo info));
        Assert.Equal((14, 14ul), (count, info.FileSize));
        Assert.Equal(NtStatus.Success, volume.Files.Write(stream, "!"u8, 0, true, false, out _, out info));
        Assert.Equal(NtStatus.Success, volume.Files.Write(stream, "??"u8, 14, false, true, out count, out info));
        Assert.Equal((1, 15ul), (count, info.FileSize));
        Assert.Equal("[ZoneTransfer]?", volume.Content(stream));
        Assert.Equal(NtStatus.DiskFull, volume.Files.Write(stream, new byte[5000], 0, false, false, out _, out _));
        Assert.Equal(NtStatus.DiskFull, volume.Files.SetFileSize(stream, 1 << 20, false, out _));
        Assert.Equal("[ZoneTransfer]?", volume.Content(stream));
        Assert.Equal(NtStatus.Success, volume.Files.SetFileSize(stream, 6, false, out info));
        Assert.Equal(6ul, info.FileSize);
        volume.Close(stream);
        Assert.Equal(NtStatus.ObjectNameCollision, volume.TryCreate("\\f:zone.identifier:$DATA").Status);
        Assert.True(volume.Exists("\\F:ZONE.identifier:$DATA"));
        volume.Close(volume.Create("\\d:s"));
        volume.Close(volume.Create("\\made:s"));
        Assert.Equal("", volume.Get("\\made"));
        Assert.Equal("main", volume.Get("\\f::$DATA"));
        Assert.Equal([":4", "Zone.Identifier:6"], Streams("\\f"));
        Assert.Equal(["s:0"], Streams("\\d"));
        stream = volume.Open("\\f:zone.identifier");
        Assert.Equal(NtStatus.Success, volume.Files.Rename(stream, "\\f:zone.identifier", "\\f:other:$DATA", false));
        Assert.Equal([":4", "other:6"], Streams("\\f"));
        Assert.Equal(NtStatus.Success, volume.Files.SetDelete(stream, "\\f:other", true));
        volume.Close(stream, CleanupFlags.Delete);
        Assert.Equal([":4"], Streams("\\f"));
        Assert.Equal("main", volume.Get("\\f"));
        volume.Remount();
        Assert.Equal(["s:0"], Streams("\\d"));
        volume.Finish();

        List<string> Streams(string path)
        {
            WindowsFile file = volume.Open(path);
            var found = new List<string>();
            Assert.Equal(NtStatus.Success, volume.Files.GetStreamInfo(file, (name, size, _) =>
            {
                found.Add($"{name}:{size}");
                return true;
            }));
            Assert.Equal(NtStatus.BufferOverflow, volume.Files.GetStreamInfo(file, (_, _, _) => false));
            volume.Close(file);
            return found;
        }
    }

    [Fact]
    public void ExtendedAttributes()
    {
        using var volume = new WindowsVolume();
        volume.Put("\\f");
        WindowsFile file = volume.Open("\\f");
        Assert.Equal(NtStatus.Success, volume.Files.SetEa(file, Eas(("COLOR", "blue"), ("SIZE", "12")), out WindowsFileInfo info));
        Assert.Equal((5u + 5 + 4) + (5 + 4 + 2), info.EaSize);
        Assert.True(HasAttribute(volume, "f", "user.COLOR"));
        volume.Close(volume.Create("\\f:stream"));
        volume.Files.SetBasicInfo(file, DosAttributes.Hidden, 0, 0, 0, 0, out _);
        Assert.Equal(["COLOR=blue", "SIZE=12"], Read(file));
        Assert.Equal(NtStatus.Success, volume.Files.SetEa(file, Eas(("color", "red"), ("SIZE", ""), ("NONE", "")), out info));
        Assert.Equal(["COLOR=red"], Read(file));
        Assert.Equal(13u, info.EaSize);
        Assert.Equal(NtStatus.BufferOverflow, volume.Files.GetEa(file, new byte[20], out _));
        Assert.Equal(NtStatus.EaListInconsistent, volume.Files.SetEa(file, new byte[5], out _));
        Assert.Equal(NtStatus.InvalidEaName, volume.Files.SetEa(file, Eas(("OK", "1"), ("DOSATTRIB", "x")), out _));
        Assert.Equal(NtStatus.EaTooLarge, volume.Files.SetEa(file, Eas(("BIG", new string('x', 9000))), out _));
        Assert.Equal(["COLOR=red"], Read(file));
        volume.Close(file);

        (NtStatus status, WindowsFile? made, info) = volume.TryCreate("\\g", extra: Eas(("A", "1"), ("$LXMOD", "\x80\x81\0\0"), ("$LXUID", "\x05\0\0\0")));
        Assert.Equal(NtStatus.Success, status);
        Assert.Equal(7u, info.EaSize);
        Assert.Equal(0x8180, Mode(volume, "g"));
        byte[] buffer = new byte[4096];
        Assert.Equal(NtStatus.Success, volume.Files.GetEa(made!, buffer, out int length));
        EaEnumerator entries = EaList.Entries(buffer.AsSpan(0, length));
        int wsl = 0;
        while (entries.MoveNext())
        {
            wsl += WslMetadata.IsName(entries.Name) ? 1 : 0;
            Assert.True(!entries.Name.SequenceEqual("$LXUID"u8) || BitConverter.ToUInt32(entries.Value) == 5);
        }
        Assert.Equal(3, wsl);
        volume.Close(made!);
        Assert.Equal(NtStatus.InvalidEaName, volume.TryCreate("\\h", extra: Eas(("DOSATTRIB", "x"))).Status);
        Assert.Equal(NtStatus.EaTooLarge, volume.TryCreate("\\h", extra: Eas(("BIG", new string('x', 9000)))).Status);
        Assert.False(volume.Exists("\\h"));
        volume.Finish();

        List<string> Read(WindowsFile from)
        {
            byte[] list = new byte[4096];
            Assert.Equal(NtStatus.Success, volume.Files.GetEa(from, list, out int size));
            var found = new List<string>();
            EaEnumerator each = EaList.Entries(list.AsSpan(0, size));
            while (each.MoveNext())
            {
                if (!WslMetadata.IsName(each.Name))
                {
                    found.Add($"{Encoding.ASCII.GetString(each.Name)}={Encoding.ASCII.GetString(each.Value)}");
                }
            }
            return found;
        }
    }

    [Fact]
    public void SecurityOfTheThreeModes()
    {
        using var volume = new WindowsVolume(options: new WindowsOptions
        {
            Acl = AclMode.Posix,
            Uid = 1000,
            Gid = 1001,
            OwnerSid = Sid.Create(5, 21, 9, 9, 9, 1000),
            GroupSid = Sid.Create(5, 21, 9, 9, 9, 513),
        });
        volume.Put("\\f");
        WindowsFile file = volume.Open("\\f");
        Assert.Equal(NtStatus.Success, volume.Files.GetSecurity(file, out byte[] descriptor));
        Assert.Equal(NtStatus.Success, volume.Files.GetSecurityByName("\\F", out uint attributes, out byte[] byName));
        Assert.Same(descriptor, byName);
        Assert.Equal(DosAttributes.Archive, attributes);
        byte[] other = new SecurityCache(volume.Options).Get(1000, 1001, 0x8180);
        Assert.Equal(NtStatus.Success, volume.Files.SetSecurity(file, PosixSecurity.DaclInformation, other));
        Assert.Equal(0x8180, Mode(volume, "f"));
        volume.Files.GetSecurity(file, out descriptor);
        Assert.Equal(other, descriptor);
        Assert.Equal(NtStatus.InvalidSecurityDescriptor, volume.Files.SetSecurity(file, 4, new byte[7]));

        // Somebody else's right cannot be kept.
        byte[] buffer = new byte[PosixSecurity.MaxDescriptor];
        var writer = new SecurityDescriptorWriter(buffer, Sid.Administrators, Sid.Administrators);
        writer.Allow(Sid.Create(5, 21, 1, 2, 3, 1001), AccessMask.FileAll);
        Assert.Equal(NtStatus.NotSupported, volume.Files.SetSecurity(file, PosixSecurity.DaclInformation, buffer.AsSpan(0, writer.Finish())));
        Assert.Equal(0x8180, Mode(volume, "f"));
        volume.Close(file);
        foreach (AclMode mode in (AclMode[])[AclMode.Owner, AclMode.Everyone])
        {
            volume.Remount(new WindowsOptions { Acl = mode });
            file = volume.Open("\\f");
            volume.Files.GetSecurity(file, out descriptor);
            Assert.True(SecurityDescriptorReader.TryParse(descriptor, out _));
            Assert.Equal(NtStatus.Success, volume.Files.SetSecurity(file, PosixSecurity.DaclInformation, other));
            Assert.Equal(0x8180, Mode(volume, "f"));
            volume.Close(file);
        }
        volume.Finish();
    }

    private static byte[] Eas(params (string Name, string Value)[] eas)
    {
        byte[] buffer = new byte[65536];
        var list = new EaListWriter(buffer);
        foreach ((string name, string value) in eas)
        {
            Assert.True(list.TryAdd(Encoding.ASCII.GetBytes(name), Encoding.Latin1.GetBytes(value)));
        }
        return buffer[..list.Length];
    }

    private static bool HasAttribute(WindowsVolume volume, string file, string attribute)
    {
        Inode inode = DeleteRenameTests.Lookup(volume, file);
        int length = volume.Volume.GetExtendedAttribute(inode, Encoding.UTF8.GetBytes(attribute), default);
        volume.Volume.Release(inode);
        return length >= 0;
    }

    private static int Mode(WindowsVolume volume, string file)
    {
        Inode inode = DeleteRenameTests.Lookup(volume, file);
        int mode = inode.Mode;
        volume.Volume.Release(inode);
        return mode;
    }
}
