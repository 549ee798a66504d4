using System.Text;
using WinLoop.Ext4;
using WinLoop.Mounting.Windows;

namespace WinLoop.Mounting.Tests.Windows;

public sealed class DeleteRenameTests
{
    [Fact]
    public void ADeletedFileStaysUsableUntilItsLastClose()
    {
        using var volume = new WindowsVolume();
        volume.Put("\\f", "content");
        volume.Files.GetVolumeInfo(out WindowsVolumeInfo before);
        WindowsFile first = volume.Open("\\f"), second = volume.Open("\\f");
        Assert.Equal(NtStatus.Success, volume.Files.SetDelete(first, "\\f", true));
        volume.Files.Cleanup(first, "\\f", CleanupFlags.Delete);
        Assert.False(volume.Exists("\\f"));
        Assert.Equal("content", volume.Content(first));
        Assert.Equal(NtStatus.Success, volume.Files.Write(second, "C"u8, 0, false, false, out _, out _));
        volume.Put("\\f", "new");
        Assert.Equal("Content", volume.Content(first));
        Assert.Equal("new", volume.Get("\\f"));
        volume.Files.Close(first);
        volume.Close(second, CleanupFlags.Delete); // what it names is not the new one
        Assert.Equal("new", volume.Get("\\f"));
        Assert.Equal(NtStatus.Success, volume.Delete("\\f"));
        volume.Files.Flush(null, out _);
        volume.Files.GetVolumeInfo(out WindowsVolumeInfo after);
        Assert.True(after.FreeSize >= before.FreeSize, "blocks of deleted files are not given back");
        volume.Finish();
    }

    [Fact]
    public void SetDeleteChecks()
    {
        using var volume = new WindowsVolume();
        volume.MakeDirectory("\\d");
        volume.Put("\\d\\f");
        WindowsFile directory = volume.Open("\\d"), root = volume.Open("\\"), file = volume.Open("\\d\\f");
        Assert.Equal(NtStatus.DirectoryNotEmpty, volume.Files.SetDelete(directory, "\\d", true));
        Assert.Equal(NtStatus.CannotDelete, volume.Files.SetDelete(root, "\\", true));
        Assert.Equal(NtStatus.Success, volume.Files.SetDelete(file, "\\d\\f", true));
        Assert.Equal(NtStatus.Success, volume.Files.SetDelete(file, "\\d\\f", false));
        Inode inode = Lookup(volume, "d", "f");
        volume.Volume.SetFlags(inode, inode.Flags | WinLoop.Ext4.Format.InodeFlags.Immutable, Caller.Root);
        Assert.Equal(NtStatus.CannotDelete, volume.Files.SetDelete(file, "\\d\\f", true));
        volume.Volume.SetFlags(inode, inode.Flags & ~WinLoop.Ext4.Format.InodeFlags.Immutable, Caller.Root);
        volume.Volume.Release(inode);
        volume.Close(root);
        volume.Close(file, CleanupFlags.Delete);
        Assert.Equal(NtStatus.Success, volume.Files.SetDelete(directory, "\\d", true));
        volume.Put("\\d\\late");
        // Between check and deletion somebody made a file: the directory stays.
        Assert.Throws<Ext4Exception>(() => volume.Files.Cleanup(directory, "\\d", CleanupFlags.Delete));
        volume.Files.Close(directory);
        Assert.True(volume.Exists("\\d\\late"));
        volume.Finish();
    }

    [Fact]
    public void DisposeFinishesWhatIsOpen()
    {
        using var volume = new WindowsVolume();
        volume.Put("\\marked", "x");
        volume.Put("\\kept", "x");
        WindowsFile marked = volume.Open("\\marked");
        volume.Open("\\kept");
        (_, WindowsFile? onClose, _) = volume.TryOpen("\\marked");
        volume.Files.SetDelete(marked, "\\marked", true);
        Assert.Equal(3, volume.Files.OpenFiles);
        volume.Files.Cleanup(onClose!, default, CleanupFlags.None);
        volume.Remount();
        Assert.False(volume.Exists("\\marked"));
        Assert.True(volume.Exists("\\kept"));
        volume.Finish();
    }

    [Fact]
    public void RenameRules()
    {
        using var volume = new WindowsVolume();
        volume.Put("\\a", "a");
        volume.Put("\\b", "b");
        volume.MakeDirectory("\\d");
        volume.MakeDirectory("\\e");
        Assert.Equal(NtStatus.ObjectNameCollision, volume.Rename("\\a", "\\B"));
        Assert.Equal(NtStatus.AccessDenied, volume.Rename("\\a", "\\d", replace: true));
        Assert.Equal(NtStatus.AccessDenied, volume.Rename("\\d", "\\e", replace: true));
        Assert.Equal(NtStatus.AccessDenied, volume.Rename("\\d", "\\a", replace: true));
        Assert.Equal(NtStatus.ObjectPathNotFound, volume.Rename("\\a", "\\none\\a"));
        Assert.Equal(NtStatus.ObjectNameInvalid, volume.Rename("\\a", "\\x*"));
        Assert.Equal(NtStatus.Success, volume.Rename("\\a", "\\A"));
        Assert.Equal(["A", "b", "d", "e", "lost+found"], volume.List("\\"));
        Assert.Equal(NtStatus.Success, volume.Rename("\\a", "\\A"));
        WindowsFile open = volume.Open("\\b");
        Assert.Equal(NtStatus.Success, volume.Rename("\\a", "\\B", replace: true));
        Assert.Equal("b", volume.Content(open));
        Assert.Equal("a", volume.Get("\\b"));
        Assert.Equal(["B", "d", "e", "lost+found"], volume.List("\\"));
        volume.Close(open, CleanupFlags.Delete);
        Assert.Equal("a", volume.Get("\\b"));
        Assert.Equal(NtStatus.Success, volume.Rename("\\d", "\\E\\sub"));
        Assert.Equal([".", "..", "sub"], volume.List("\\e"));
        Assert.Equal(NtStatus.Success, volume.Rename("\\e\\sub", "\\e\\SUB"));
        Assert.Equal([".", "..", "SUB"], volume.List("\\e"));
        volume.Finish();
    }

    [Fact]
    public void RenamingOverAnotherNameOfTheSameFile()
    {
        using var volume = new WindowsVolume();
        volume.Put("\\one", "x");
        Inode root = volume.Volume.GetInode(Ext4Volume.RootInode), inode = Lookup(volume, "one");
        volume.Volume.Link(inode, root, "two"u8);
        volume.Volume.Release(inode);
        volume.Volume.Release(root);
        volume.Remount();
        WindowsFile file = volume.Open("\\one");
        Assert.True(file.DisableCache);
        Assert.Equal(NtStatus.Success, volume.Files.Rename(file, "\\one", "\\TWO", true));
        Assert.Equal("\\TWO", volume.NormalizedName(file));
        volume.Close(file);
        Assert.Equal(["lost+found", "TWO"], volume.List("\\"));
        file = volume.Open("\\two");
        Assert.False(file.DisableCache);
        Assert.Equal("x", volume.Content(file));
        volume.Close(file);
        volume.Finish();
    }

    internal static Inode Lookup(WindowsVolume volume, params string[] names)
    {
        Inode current = volume.Volume.GetInode(Ext4Volume.RootInode);
        foreach (string name in names)
        {
            Inode next = volume.Volume.Lookup(current, Encoding.UTF8.GetBytes(name))!;
            volume.Volume.Release(current);
            current = next;
        }
        return current;
    }
}
