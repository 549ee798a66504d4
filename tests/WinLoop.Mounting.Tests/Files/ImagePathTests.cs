using WinLoop.Mounting.Files;

namespace WinLoop.Mounting.Tests.Files;

public sealed class ImagePathTests
{
    private static readonly string[] s_files = [@"C:\x.img", "C:/x.img", @"C:\a:b.img", "odd:name.img", "a:/b.img", "x.img"];

    [Theory]
    [InlineData(@"C:\x.img:/etc/hosts", @"C:\x.img", "/etc/hosts")]
    [InlineData("C:/x.img:/etc/hosts", "C:/x.img", "/etc/hosts")]
    [InlineData(@"C:\x.img:", @"C:\x.img", "/")]
    [InlineData(@"C:\missing.img:/etc", @"C:\missing.img", "/etc")]
    [InlineData(@"\\?\C:/x.img:/f", @"\\?\C:/x.img", "/f")]
    [InlineData(@"\\server\share\x.img:/f", @"\\server\share\x.img", "/f")]
    [InlineData(@"C:x.img:/f", "C:x.img", "/f")]
    [InlineData("x.img:/a:b", "x.img", "/a:b")]
    [InlineData("x.img:/a:/b", "x.img", "/a:/b")]
    [InlineData("x.img:/a:", "x.img", "/a:")]
    public void On_Windows_the_colon_of_a_drive_separates_nothing(string text, string image, string path)
    {
        Assert.True(ImagePath.TryParse(text, hasDrives: true, s_files.Contains, out ImagePath? parsed));
        Assert.Equal(new ImagePath(image, path), parsed);
    }

    [Theory]
    [InlineData(@"C:\x.img")]
    [InlineData("C:/x.img")]
    [InlineData("C:")]
    [InlineData("C:/")]
    [InlineData("x.img")]
    [InlineData(":/f")]
    [InlineData(":")]
    [InlineData("")]
    public void A_path_of_Windows_is_no_path_in_an_image(string text)
    {
        Assert.False(ImagePath.TryParse(text, hasDrives: true, s_files.Contains, out ImagePath? parsed));
        Assert.Null(parsed);
    }

    [Theory]
    [InlineData("odd:name.img:/f", "odd:name.img", "/f")]
    [InlineData("a:/b.img:/f", "a:/b.img", "/f")]
    [InlineData("C:/x.img", "C", "/x.img")]
    [InlineData("x.img:/d:/f", "x.img", "/d:/f")]
    [InlineData("x.img:", "x.img", "/")]
    public void On_Linux_the_file_that_exists_decides(string text, string image, string path)
    {
        string[] files = ["odd:name.img", "a:/b.img", "x.img"];
        Assert.True(ImagePath.TryParse(text, hasDrives: false, files.Contains, out ImagePath? parsed));
        Assert.Equal(new ImagePath(image, path), parsed);
    }
}
