using WinLoop.Mounting.Windows;

namespace WinLoop.Mounting.Tests.Windows;

public sealed class WindowsPathTests
{
    [Theory]
    [InlineData("\\", "\\", "", "\\", "", false, "")]
    [InlineData("\\a", "\\a", "a", "\\", "", false, "a")]
    [InlineData("\\a\\b.c", "\\a\\b.c", "b.c", "\\a", "", false, "a|b.c")]
    [InlineData("\\a\\b\\", "\\a\\b", "b", "\\a", "", false, "a|b")]
    [InlineData("\\a\\b:s", "\\a\\b", "b", "\\a", "s", true, "a|b")]
    [InlineData("\\a:s t.u:$data", "\\a", "a", "\\", "s t.u", true, "a")]
    [InlineData("\\a::$DATA", "\\a", "a", "\\", "", false, "a")]
    [InlineData("\\:s", "\\", "", "\\", "s", true, "")]
    public void Takes_paths_apart(string path, string file, string name, string parent, string stream, bool hasStream, string components)
    {
        Assert.True(WindowsPath.TryParse(path, out WindowsPath parsed));
        Assert.Equal(file, parsed.File.ToString());
        Assert.Equal(name, parsed.Name.ToString());
        Assert.Equal(parent, parsed.Parent.ToString());
        Assert.Equal(stream, parsed.Stream.ToString());
        Assert.Equal(hasStream, parsed.HasStream);
        Assert.Equal(name.Length == 0, parsed.IsRoot);
        var found = new List<string>();
        WindowsPath.ComponentEnumerator e = parsed.Components;
        while (e.MoveNext())
        {
            found.Add(e.Current.ToString());
            Assert.Equal(e.Current.ToString(), path.Substring(e.Start, e.Current.Length));
            Assert.Equal(e.IsLast, e.Start + e.Current.Length == parsed.File.Length);
        }
        Assert.Equal(components, string.Join('|', found));
        Assert.False(e.MoveNext());
    }

    [Theory]
    [InlineData("")]
    [InlineData("a")]
    [InlineData("\\\\")]
    [InlineData("\\a\\\\b")]
    [InlineData("\\a\\.\\b")]
    [InlineData("\\a\\..")]
    [InlineData("\\a/b")]
    [InlineData("\\a\0")]
    [InlineData("\\a:")]
    [InlineData("\\a:s\\b")]
    [InlineData("\\a:s:")]
    [InlineData("\\a:s:$INDEX_ALLOCATION")]
    [InlineData("\\a:s:t:$DATA")]
    [InlineData("\\a\\:s")]
    public void Refuses_what_is_no_path(string path) => Assert.False(WindowsPath.TryParse(path, out _));

    [Fact]
    public void A_component_has_at_most_255_units()
    {
        Assert.True(WindowsPath.TryParse("\\" + new string('a', 255) + "\\b", out _));
        Assert.False(WindowsPath.TryParse("\\" + new string('a', 256) + "\\b", out _));
    }
}
