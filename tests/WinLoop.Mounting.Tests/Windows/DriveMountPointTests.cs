using WinLoop.Mounting.Windows;

namespace WinLoop.Mounting.Tests.Windows;

public sealed class DriveMountPointTests
{
    private static bool Nothing(string path) => false;

    [Theory]
    [InlineData(null, "*")]
    [InlineData("*", "*")]
    [InlineData("*:", "*")]
    [InlineData("x", "X:")]
    [InlineData("X:", "X:")]
    [InlineData(@"x:\", "X:")]
    [InlineData("x:/", "X:")]
    [InlineData(@"\\.\y:", @"\\.\Y:")]
    public void TakesLettersAsPeopleWriteThem(string? text, string expected) =>
        Assert.Equal(expected, DriveMountPoint.Parse(text, Nothing));

    [Fact]
    public void RefusesALetterThatIsTaken()
    {
        MountException e = Assert.Throws<MountException>(() => DriveMountPoint.Parse("c:", path => path == @"C:\"));
        Assert.Equal(MountError.Busy, e.Error);
    }

    [Theory]
    [InlineData("")]
    [InlineData(@"\\.\folder")]
    [InlineData(@"\\.\")]
    public void RefusesWhatIsNoMountPoint(string text) =>
        Assert.Equal(MountError.Usage, Assert.Throws<MountException>(() => DriveMountPoint.Parse(text, Nothing)).Error);

    [Fact]
    public void TakesAFolderThatIsFreeInOneThatExists()
    {
        string parent = Path.GetFullPath(Path.GetTempPath()).TrimEnd(Path.DirectorySeparatorChar);
        string folder = Path.Combine(parent, "winloop-free");
        Assert.Equal(folder, DriveMountPoint.Parse(folder, path => path == parent));
        Assert.Equal(MountError.Usage, Assert.Throws<MountException>(() => DriveMountPoint.Parse(folder, _ => true)).Error);
        Assert.Equal(MountError.NotFound, Assert.Throws<MountException>(() => DriveMountPoint.Parse(folder, Nothing)).Error);
    }
}
