using System.Text;
using WinLoop.Ext4;
using WinLoop.Ext4.Format;
using WinLoop.Mounting.Windows;

namespace WinLoop.Mounting.Tests.Windows;

public sealed class LinkTests
{
    private const uint Link = DosAttributes.ReparsePoint, DirectoryLink = DosAttributes.ReparsePoint | DosAttributes.Directory;

    [Fact]
    public void LinksOnTheWayAndAtTheEnd()
    {
        using var volume = new WindowsVolume();
        volume.MakeDirectory("\\d");
        volume.MakeDirectory("\\d\\sub");
        volume.Put("\\d\\f", "x");
        MakeLink(volume, "tod", "d");
        MakeLink(volume, "toabs", "/d/sub");
        MakeLink(volume, "tofile", "d/f");
        MakeLink(volume, "dangling", "none");
        MakeLink(volume, "loop", "loop");
        MakeLink(volume, "long", string.Concat(Enumerable.Repeat("./", 200)) + "d/../tod/sub");
        Inode sub = DeleteRenameTests.Lookup(volume, "d", "sub");
        volume.Volume.Release(volume.Volume.CreateSymlink(sub, "up"u8, ".."u8, Caller.Root));
        volume.Volume.Release(sub);
        volume.Remount();
        Assert.Equal(NtStatus.Reparse, volume.Files.GetSecurityByName("\\tod\\f", out uint index, out _));
        Assert.Equal(1u, index);
        Assert.Equal(NtStatus.Reparse, volume.Files.GetSecurityByName("\\d\\sub\\up\\f", out index, out _));
        Assert.Equal(7u, index);
        Assert.Equal(DirectoryLink, Attributes("\\tod"));
        Assert.Equal(DirectoryLink, Attributes("\\toabs"));
        Assert.Equal(DirectoryLink, Attributes("\\long"));
        Assert.Equal(DirectoryLink, Attributes("\\d\\sub\\up"));
        Assert.Equal(Link, Attributes("\\tofile"));
        Assert.Equal(Link, Attributes("\\dangling"));
        Assert.Equal(Link, Attributes("\\loop"));
        WindowsFileInfo info = volume.Info("\\tod");
        Assert.Equal((ReparseData.SymlinkTag, 0ul), (info.ReparseTag, info.FileSize));

        // What a link leads to is noticed to change.
        volume.MakeDirectory("\\none");
        Assert.Equal(DirectoryLink, Attributes("\\dangling"));
        Assert.Equal(NtStatus.Success, volume.Rename("\\none", "\\other"));
        Assert.Equal(Link, Attributes("\\dangling"));
        Assert.Equal(NtStatus.Success, volume.Delete("\\tod"));
        Assert.Equal(Link, Attributes("\\long"));
        Assert.Equal([".", "..", "f", "sub"], volume.List("\\d"));
        volume.Finish();

        uint Attributes(string path)
        {
            Assert.Equal(NtStatus.Success, volume.Files.GetSecurityByName(path, out uint attributes, out _));
            Assert.Equal(attributes, volume.Info(path).FileAttributes);
            return attributes;
        }
    }

    [Fact]
    public void ReparsePointsAreMadeAndTakenAway()
    {
        using var volume = new WindowsVolume();
        volume.MakeDirectory("\\d");
        byte[] data = Encode(InodeMode.Symlink | 0x1FF, "d");
        WindowsFile file = volume.Create("\\link", isDirectory: true);
        Assert.Equal(NtStatus.NotAReparsePoint, volume.Files.GetReparsePoint(file, new byte[100], out _));
        Assert.Equal(NtStatus.Success, volume.Files.SetReparsePoint(file, "\\link", data));
        Assert.Equal(NtStatus.Success, volume.Files.GetFileInfo(file, out WindowsFileInfo info));
        Assert.Equal(DirectoryLink, info.FileAttributes);
        Assert.Equal(data, Reparse(file));
        volume.Close(file);
        byte[] buffer = new byte[16384];
        Assert.Equal(NtStatus.Success, volume.Files.GetReparsePointByName("\\LINK", buffer, out int length));
        Assert.Equal(data, buffer[..length]);
        Assert.Equal(NtStatus.BufferTooSmall, volume.Files.GetReparsePointByName("\\link", buffer.AsSpan(0, 10), out _));
        Assert.Equal(NtStatus.ObjectNameNotFound, volume.Files.GetReparsePointByName("\\none", buffer, out _));
        Assert.Equal(NtStatus.Reparse, volume.Files.GetSecurityByName("\\link\\x", out _, out _));
        volume.Remount();
        Assert.Equal(DirectoryLink, volume.Info("\\link").FileAttributes);
        file = volume.Open("\\link");
        Assert.Equal(NtStatus.Success, volume.Files.DeleteReparsePoint(file, "\\link", data.AsSpan(0, 4).ToArray().Concat(new byte[4]).ToArray()));
        Assert.Equal(NtStatus.Success, volume.Files.Write(file, "now a file"u8, 0, false, false, out _, out info));
        Assert.Equal(DosAttributes.Archive, info.FileAttributes);
        volume.Close(file);
        Assert.Equal("now a file", volume.Get("\\link"));

        volume.Put("\\full", "x");
        file = volume.Open("\\full");
        Assert.Equal(NtStatus.NotSupported, volume.Files.SetReparsePoint(file, "\\full", data));
        volume.Close(file);
        volume.Put("\\d\\f");
        file = volume.Open("\\d");
        Assert.Equal(NtStatus.DirectoryNotEmpty, volume.Files.SetReparsePoint(file, "\\d", data));
        Assert.Equal(NtStatus.IoReparseDataInvalid, volume.Files.SetReparsePoint(file, "\\d", new byte[3]));
        volume.Close(file);
        volume.Finish();

        byte[] Reparse(WindowsFile from)
        {
            byte[] found = new byte[16384];
            Assert.Equal(NtStatus.Success, volume.Files.GetReparsePoint(from, found, out int size));
            return found[..size];
        }
    }

    [Fact]
    public void SpecialFilesComeFromWslInOneStep()
    {
        using var volume = new WindowsVolume();
        (NtStatus status, WindowsFile? file, WindowsFileInfo info) =
            volume.TryCreate("\\fifo", extra: Encode(InodeMode.Fifo, ""), extraIsReparsePoint: true);
        Assert.Equal((NtStatus.Success, ReparseData.LxFifoTag), (status, info.ReparseTag));
        Assert.Equal(NtStatus.InvalidDeviceRequest, volume.Files.Read(file!, new byte[1], 0, out _));
        volume.Close(file!);
        (status, file, info) = volume.TryCreate("\\dev", extra: Encode(InodeMode.CharDevice, ""), extraIsReparsePoint: true);
        Assert.Equal((NtStatus.Success, ReparseData.LxCharTag), (status, info.ReparseTag));
        byte[] eas = new byte[64];
        var list = new EaListWriter(eas);
        list.TryAdd("$LXDEV"u8, [1, 0, 0, 0, 3, 0, 0, 0]);
        Assert.Equal(NtStatus.Success, volume.Files.SetEa(file!, eas.AsSpan(0, list.Length), out info));
        volume.Close(file!);
        (status, file, info) = volume.TryCreate("\\link", extra: Encode(InodeMode.Symlink, "fifo"), extraIsReparsePoint: true);
        Assert.Equal((NtStatus.Success, ReparseData.SymlinkTag), (status, info.ReparseTag));
        volume.Close(file!);
        Assert.Equal(NtStatus.IoReparseTagNotHandled,
            volume.TryCreate("\\x", extra: [3, 0, 0, 0xA0, 0, 0, 0, 0], extraIsReparsePoint: true).Status);
        Assert.Equal(NtStatus.ObjectPathNotFound, volume.TryOpen("\\fifo\\x").Status);
        Inode device = DeleteRenameTests.Lookup(volume, "dev");
        Assert.Equal((uint)0x103, volume.Volume.GetAttributes(device).Device);
        volume.Volume.Release(device);
        Assert.Equal(NtStatus.Success, volume.Delete("\\fifo"));
        volume.Finish();
    }

    [Fact]
    public void A_chain_of_more_than_forty_links_leads_nowhere()
    {
        using var volume = new WindowsVolume();
        // "d" is made when the links are there: Windows' side does not see what is made behind its back in a directory that it knows.
        MakeLink(volume, "l0", "d");
        for (int i = 1; i <= 45; i++)
        {
            MakeLink(volume, $"l{i}", $"l{i - 1}");
        }
        volume.MakeDirectory("\\d");
        // l39 is the fortieth.
        Assert.Equal(DirectoryLink, volume.Info("\\l39").FileAttributes);
        Assert.Equal(Link, volume.Info("\\l40").FileAttributes);
        Assert.Equal(Link, volume.Info("\\l45").FileAttributes);
        volume.Finish();
    }

    private static byte[] Encode(int mode, string target)
    {
        byte[] buffer = new byte[16384];
        Assert.Equal(NtStatus.Success, ReparseData.Encode((ushort)mode, Encoding.UTF8.GetBytes(target), buffer, out int length));
        return buffer[..length];
    }

    private static void MakeLink(WindowsVolume volume, string name, string target)
    {
        Inode root = volume.Volume.GetInode(Ext4Volume.RootInode);
        volume.Volume.Release(volume.Volume.CreateSymlink(root, Encoding.UTF8.GetBytes(name), Encoding.UTF8.GetBytes(target), Caller.Root));
        volume.Volume.Release(root);
    }
}
