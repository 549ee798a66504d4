using WinLoop.Mounting.Linux;

namespace WinLoop.Mounting.Tests.Linux;

public sealed class MountTableTests
{
    [Fact]
    public void A_line_is_taken_apart()
    {
        MountEntry e = MountTable.Parse("90 21 7:3 / /mnt/my\\040disk rw,nosuid shared:5 master:2 - fuseblk.ext4 /dev/loop3 rw,user_id=0")!;
        Assert.Equal(("7:3", "/mnt/my disk", "fuseblk.ext4", "/dev/loop3", "rw,nosuid"), (e.Device, e.Directory, e.FileSystem, e.Source, e.Options));
        Assert.True(e.IsFuse);
    }

    [Fact]
    public void Escapes_may_be_bytes_of_UTF8()
    {
        Assert.Equal("/a\\b\tü", MountTable.Parse("1 1 0:1 / /a\\134b\\011ü rw - ext4 none rw")!.Directory);
        Assert.Equal("/x\\9", MountTable.Parse("1 1 0:1 / /x\\9 rw - ext4 none rw")!.Directory);
    }

    [Theory]
    [InlineData("")]
    [InlineData("1 2 3")]
    [InlineData("1 1 0:1 / /mnt rw shared:1 ext4 none rw")]
    public void Other_lines_are_left_out(string line) => Assert.Null(MountTable.Parse(line));

    [Fact]
    public void The_root_is_mounted()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs Linux");
        Assert.NotNull(MountTable.Find("/"));
    }
}
