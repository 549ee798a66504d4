using DiscUtils.Streams;
using WinLoop.TestKit;

namespace WinLoop.DiscUtils.Tests;

/// <summary>The example of docs/discutils.md.</summary>
public sealed class DocumentedExampleTests
{
    [Fact]
    public void TheExampleWorks()
    {
        using TestImage image = TestImage.Make(20);
        using (Ext4FileSystem prepare = Opened.Open(image))
        {
            prepare.CreateDirectory(@"etc\more");
            prepare.Put(@"etc\more\a.conf", "12345");
        }
        var lines = new List<string>();
        using (var file = new FileStream(image.Path, FileMode.Open, FileAccess.ReadWrite))
        using (var fs = new Ext4FileSystem(file))
        {
            foreach (string path in fs.GetFiles(@"\etc", "*.conf", SearchOption.AllDirectories))
            {
                lines.Add($"{fs.GetFileLength(path),10} {path}");
            }
            fs.CreateDirectory(@"srv\data");
            using (SparseStream stream = fs.OpenFile(@"srv\data\log", FileMode.Append, FileAccess.Write))
            {
                stream.Write("one line\n"u8);
                stream.Flush();
            }
            fs.MoveFile(@"srv\data\log", @"srv\data\log.1", overwrite: true);
        }
        Assert.Equal([@"         5 \etc\more\a.conf"], lines);
        image.AssertClean();
        Assert.Equal("one line", Shell.Script($"PATH=$PATH:/sbin:/usr/sbin; debugfs -R 'cat /srv/data/log.1' {image.Path} 2>/dev/null").Trim());
    }
}
