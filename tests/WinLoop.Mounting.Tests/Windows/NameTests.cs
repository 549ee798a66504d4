using System.Text;
using WinLoop.Ext4;
using WinLoop.Mounting.Windows;

namespace WinLoop.Mounting.Tests.Windows;

public sealed class NameTests
{
    [Fact]
    public void NamesAreFoundInAnyCaseAndKeepTheirs()
    {
        using var volume = new WindowsVolume();
        volume.MakeDirectory("\\Dir");
        volume.Put("\\Dir\\ReadMe.txt", "x");
        WindowsFile file = volume.Open("\\DIR\\readme.TXT");
        Assert.Equal("\\Dir\\ReadMe.txt", volume.NormalizedName(file));
        volume.Close(file);
        Assert.Equal([".", "..", "ReadMe.txt"], volume.List("\\dIR"));
        Assert.Equal(NtStatus.ObjectNameCollision, volume.TryCreate("\\dir\\README.TXT").Status);
        Assert.Equal(NtStatus.ObjectNameNotFound, volume.TryOpen("\\dir\\nothing").Status);
        Assert.Equal(NtStatus.ObjectPathNotFound, volume.TryOpen("\\nothing\\nothing").Status);
        Assert.Equal(NtStatus.ObjectPathNotFound, volume.TryOpen("\\Dir\\ReadMe.txt\\x").Status);
        Assert.Equal(NtStatus.Success, volume.Delete("\\Dir\\README.txt"));
        Assert.False(volume.Exists("\\Dir\\ReadMe.txt"));
        volume.Put("\\Dir\\readme.TXT");
        Assert.True(volume.Exists("\\Dir\\ReadMe.txt"));
        volume.Finish();
    }

    [Fact]
    public void TwinsAreReachedByTheirOwnNamesAndOthersFindTheFirst()
    {
        using var volume = new WindowsVolume();
        Inode root = volume.Volume.GetInode(Ext4Volume.RootInode);
        foreach (string name in (string[])["abc", "ABC", "Abc"])
        {
            Inode inode = volume.Volume.Create(root, Encoding.UTF8.GetBytes(name), 0x1B6, 0, Caller.Root);
            volume.Volume.Write(inode, Encoding.UTF8.GetBytes(name), 0, Caller.Root);
            volume.Volume.Release(inode);
        }
        volume.Volume.Release(root);
        foreach (string name in (string[])["abc", "ABC", "Abc"])
        {
            Assert.Equal(name, volume.Get("\\" + name));
        }
        Assert.Equal("ABC", volume.Get("\\aBC"));
        Assert.Equal(["ABC", "Abc", "abc", "lost+found"], volume.List("\\"));
        Assert.Equal(NtStatus.ObjectNameCollision, volume.TryCreate("\\aBC").Status);
        Assert.Equal(NtStatus.Success, volume.Delete("\\ABC"));
        Assert.Equal("Abc", volume.Get("\\aBC"));
        Assert.Equal("Abc", volume.Get("\\ABC"));
        Assert.Equal(NtStatus.Success, volume.Delete("\\Abc"));
        Assert.Equal("abc", volume.Get("\\ABC"));
        volume.Finish();
    }

    [Fact]
    public void OfTwinsOneIsOpenAtATimeAndNeitherIsCached()
    {
        using var volume = new WindowsVolume();
        Inode root = volume.Volume.GetInode(Ext4Volume.RootInode);
        foreach (string name in (string[])["Dir", "dir"])
        {
            Inode directory = volume.Volume.CreateDirectory(root, Encoding.UTF8.GetBytes(name), 0x1FF, Caller.Root);
            volume.Volume.Release(volume.Volume.Create(directory, "file"u8, 0x1B6, 0, Caller.Root));
            volume.Volume.Release(directory);
        }
        volume.Volume.Release(root);
        volume.Put("\\other");
        Assert.Equal(["Dir", "dir", "lost+found", "other"], volume.List("\\"));

        // The path counts, not the name alone, and what is not open yet.
        WindowsFile open = volume.Open("\\Dir\\file");
        Assert.True(open.DisableCache);
        Assert.Equal(NtStatus.SharingViolation, volume.TryOpen("\\dir\\file").Status);
        volume.Close(volume.Open("\\Dir\\FILE"));
        volume.Close(volume.Open("\\dir"));
        WindowsFile other = volume.Open("\\other");
        Assert.False(other.DisableCache);
        WindowsFile made = volume.Create("\\dir\\new");
        Assert.Equal(NtStatus.SharingViolation, volume.TryCreate("\\Dir\\NEW").Status);
        Assert.Equal([".", "..", "file"], volume.List("\\Dir"));
        volume.Close(made);

        // A renamed file takes its place along.
        Assert.Equal(NtStatus.Success, volume.Files.Rename(open, "\\Dir\\file", "\\Dir\\moved", replace: false));
        volume.Close(volume.Open("\\dir\\file"));
        Assert.Equal(NtStatus.Success, volume.Rename("\\dir\\new", "\\dir\\moved"));
        Assert.Equal(NtStatus.SharingViolation, volume.TryOpen("\\dir\\moved").Status);
        volume.Close(open);
        volume.Close(volume.Open("\\dir\\moved"));
        volume.Close(other);
        Assert.Equal(0, volume.Files.OpenFiles);
        volume.Finish();
    }

    [Fact]
    public void CaseSensitiveVolumesTellNamesApart()
    {
        using var volume = new WindowsVolume(options: new WindowsOptions { CaseSensitive = true });
        volume.Put("\\a", "small");
        Assert.False(volume.Exists("\\A"));
        volume.Put("\\A", "large");
        Assert.Equal("small", volume.Get("\\a"));
        WindowsFile file = volume.Open("\\A");
        Assert.Equal("", volume.NormalizedName(file));
        volume.Close(file);
        Assert.True(volume.Files.Facts.IsCaseSensitive);
        volume.Finish();
    }

    [Fact]
    public void ForbiddenCharactersAndLongNames()
    {
        using var volume = new WindowsVolume();
        Inode root = volume.Volume.GetInode(Ext4Volume.RootInode);
        volume.Volume.Release(volume.Volume.Create(root, "a:b*c. "u8, 0x1B6, 0, Caller.Root));
        volume.Volume.Release(volume.Volume.Create(root, [(byte)'x', 0xFF], 0x1B6, 0, Caller.Root));
        volume.Volume.Release(root);
        List<string> names = volume.List("\\");
        Assert.Contains("a\uF03Ab\uF02Ac.\uF020", names);
        Assert.Contains("x\uF0FF", names);
        Assert.All(names, name => Assert.True(volume.Exists("\\" + name), name));
        volume.Put("\\" + new string('n', 255));
        Assert.Equal(NtStatus.ObjectNameInvalid, volume.TryCreate("\\" + new string('n', 256)).Status);
        Assert.Equal(NtStatus.ObjectNameInvalid, volume.TryCreate("\\" + new string('ä', 128)).Status);
        volume.Put("\\" + new string('ä', 127));
        Assert.True(volume.Exists("\\" + new string('Ä', 127)));
        volume.Finish();
    }

    [Fact]
    public void ABoundedCacheForgetsAndFindsAgain()
    {
        using var volume = new WindowsVolume(options: new WindowsOptions { CachedNames = 64 });
        for (int directory = 0; directory < 10; directory++)
        {
            volume.MakeDirectory($"\\d{directory}");
            for (int file = 0; file < 50; file++)
            {
                volume.Put($"\\d{directory}\\File{file}", $"{directory}/{file}");
            }
        }
        WindowsFile held = volume.Open("\\d3\\File7");
        for (int round = 0; round < 2; round++)
        {
            for (int i = 0; i < 500; i++)
            {
                Assert.Equal($"{i % 10}/{i / 10}", volume.Get($"\\D{i % 10}\\fILE{i / 10}"));
                Assert.False(volume.Exists($"\\d{i % 10}\\none{i}"));
            }
        }
        Assert.Equal(NtStatus.Success, volume.Rename("\\d3", "\\e3"));
        Assert.Equal("\\e3\\File7", volume.NormalizedName(held));
        volume.Close(held);
        volume.Finish();
    }

    [Fact]
    public void OpenFilesFollowTheRenamesAboveThem()
    {
        using var volume = new WindowsVolume();
        volume.MakeDirectory("\\a");
        volume.MakeDirectory("\\a\\b");
        volume.MakeDirectory("\\x");
        volume.Put("\\a\\b\\f", "content");
        WindowsFile file = volume.Open("\\a\\b\\f");
        Assert.Equal(NtStatus.Success, volume.Rename("\\a\\b", "\\x\\c"));
        Assert.Equal("\\x\\c\\f", volume.NormalizedName(file));
        Assert.Equal(NtStatus.Success, volume.Rename("\\x", "\\y"));
        Assert.Equal("\\y\\c\\f", volume.NormalizedName(file));
        Assert.Equal("content", volume.Content(file));
        Assert.Contains("\\y\\c\\f", volume.Files.ListOpenFiles());
        volume.Close(file);
        Assert.Equal("content", volume.Get("\\y\\c\\f"));
        Assert.False(volume.Exists("\\a\\b"));
        Assert.Equal(NtStatus.InvalidParameter, volume.Rename("\\y", "\\y\\c\\inside"));
        volume.Finish();
    }
}
