using WinLoop.Mounting.Windows;

namespace WinLoop.Mounting.Tests.Windows;

public sealed class ListingTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(1000)]
    public void PagesGiveEveryNameOnceInOrder(int page)
    {
        using var volume = new WindowsVolume();
        volume.MakeDirectory("\\d");
        var names = new List<string>();
        for (int i = 0; i < 300; i++)
        {
            string name = $"{(i % 3 == 0 ? "File" : "fILE")}{i * 7919 % 1000}{(i % 5 == 0 ? ".Ü" : "")}";
            names.Add(name);
            volume.Put("\\d\\" + name);
        }
        List<string> listed = volume.List("\\d", page);
        names.Sort((a, b) => NameCase.FoldedCompare(a, b));
        Assert.Equal([".", "..", .. names], listed);
        volume.Finish();
    }

    [Fact]
    public void DeletingTheMarkerAndEverythingBeforeItLosesNothing()
    {
        using var volume = new WindowsVolume();
        volume.MakeDirectory("\\d");
        for (int i = 0; i < 200; i++)
        {
            volume.Put($"\\d\\f{i:D3}");
        }
        int deleted = 0;
        List<string> listed = volume.List("\\d", 10, names =>
        {
            for (; deleted < names.Count; deleted++)
            {
                if (names[deleted][0] == 'f')
                {
                    Assert.Equal(NtStatus.Success, volume.Delete("\\d\\" + names[deleted]));
                    volume.Put("\\d\\new" + names[deleted]);
                }
            }
        });
        Assert.Equal(202, listed.Count);
        Assert.Equal(listed.Count, listed.Distinct().Count());
        volume.Finish();
    }

    [Fact]
    public void NamesDeletedMeanwhileAreLeftOutAndMarkersWorkOnOtherOpens()
    {
        using var volume = new WindowsVolume();
        for (int i = 0; i < 20; i++)
        {
            volume.Put($"\\f{i:D2}");
        }
        WindowsFile root = volume.Open("\\");
        List<string> Page(WindowsFile directory, string? marker, int room)
        {
            var names = new List<string>();
            volume.Files.ReadDirectory(directory, marker, marker is not null, (name, in info) =>
            {
                Assert.True(name is not "." and not "..");
                names.Add(name.ToString());
                return names.Count <= room;
            }, out _);
            return names.Take(room).ToList();
        }
        Assert.Equal(["f00", "f01"], Page(root, null, 2));
        volume.Delete("\\f01");
        volume.Delete("\\f03");
        Assert.Equal(["f02", "f04"], Page(root, "f01", 2));
        WindowsFile other = volume.Open("\\");
        Assert.Equal(["f04", "f05"], Page(other, "F03", 2));
        Assert.Equal(["f00", "f02"], Page(root, null, 2));
        volume.Close(other);
        volume.Close(root);
        volume.Finish();
    }

    [Fact]
    public void OneName()
    {
        using var volume = new WindowsVolume();
        volume.MakeDirectory("\\d");
        volume.Put("\\d\\Name", "12345");
        WindowsFile directory = volume.Open("\\d");
        char[] actual = new char[255];
        Assert.Equal(NtStatus.Success, volume.Files.GetDirInfoByName(directory, "nAME", actual, out int length, out WindowsFileInfo info));
        Assert.Equal(("Name", 5ul), (new string(actual, 0, length), info.FileSize));
        Assert.Equal(NtStatus.ObjectNameNotFound, volume.Files.GetDirInfoByName(directory, "none", actual, out _, out _));
        Assert.Equal(NtStatus.Success, volume.Files.GetDirInfoByName(directory, "..", actual, out length, out info));
        Assert.Equal(2ul, info.IndexNumber);
        volume.Close(directory);
        volume.Finish();
    }
}
