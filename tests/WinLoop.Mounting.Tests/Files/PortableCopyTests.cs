using WinLoop.Ext4;
using WinLoop.Ext4.Format;
using WinLoop.Mounting.Files;
using WinLoop.TestKit;

namespace WinLoop.Mounting.Tests.Files;

/// <summary>Copies out of a volume as they are done on Windows: names that Windows forbids, names it takes for one.</summary>
public sealed class PortableCopyTests : IDisposable
{
    private readonly TestImage _image = TestImage.Make(16);
    private readonly string _folder = Directory.CreateTempSubdirectory("winloop-portable-").FullName;

    public void Dispose()
    {
        _image.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private CopyResult CopyOut(CopyOptions options, params string[] names)
    {
        using (Ext4Volume volume = _image.Mount())
        {
            using VolumeNode root = VolumeNode.Root(volume, "x");
            using FileNode tree = root.CreateDirectory("tree"u8);
            foreach (string name in names)
            {
                using FileNode file = tree.CreateFile(System.Text.Encoding.Latin1.GetBytes(name));
                file.Write(System.Text.Encoding.Latin1.GetBytes(name), 0);
                file.SetFacts(file.Facts with { Permissions = 0x1A4, Modified = new Timestamp(1_000_000_000, 123_456_700) }, keepSetId: false);
            }
            if (options.IsArchive)
            {
                using FileNode first = tree.Find(System.Text.Encoding.Latin1.GetBytes(names[0]))!;
                tree.CreateLink("second name"u8, first);
                first.SetAttribute("user.colour"u8, "blue"u8);
            }
            using FileNode target = PortableNode.Open(_folder, foldsCase: true)!;
            var copier = new TreeCopier(options);
            copier.Copy(tree, target, "tree"u8);
            copier.Finish();
            return copier.Result;
        }
    }

    [Fact]
    public void Of_names_that_differ_in_case_only_one_is_copied_and_the_other_named()
    {
        CopyResult result = CopyOut(new CopyOptions { IsRecursive = true }, "Makefile", "other", "makefile");
        Assert.Equal(2, result.Files);
        MountException failure = Assert.Single(result.Failed);
        Assert.Contains("differs in case only", failure.Message, StringComparison.Ordinal);
        string[] copied = [.. Directory.GetFiles(Path.Combine(_folder, "tree")).Select(f => Path.GetFileName(f)!).Order(StringComparer.OrdinalIgnoreCase)];
        Assert.Equal(["makefile", "other"], copied.Select(n => n.ToLowerInvariant()));
        Assert.All(copied, name => Assert.Equal(name, File.ReadAllText(Path.Combine(_folder, "tree", name))));
    }

    [Fact]
    public void Forbidden_names_have_the_form_of_the_mounted_drive()
    {
        CopyResult result = CopyOut(new CopyOptions { IsRecursive = true }, "a:b", "c\\..\\d", "dot.", "con", "\xFF");
        Assert.Empty(result.Failed);
        Assert.Equal(["a\uF03Ab", "con", "c\uF05C..\uF05Cd", "dot\uF02E", "\uF0FF"],
            Directory.GetFiles(Path.Combine(_folder, "tree")).Select(f => Path.GetFileName(f)!).Order(StringComparer.Ordinal));
        // And back, as they were.
        using Ext4Volume volume = _image.Mount();
        using VolumeNode root = VolumeNode.Root(volume, "x");
        using FileNode source = PortableNode.Open(Path.Combine(_folder, "tree"), foldsCase: true)!;
        var copier = new TreeCopier(new CopyOptions { IsRecursive = true });
        copier.Copy(source, root, "back"u8);
        using FileNode back = root.Find("back"u8)!;
        foreach (string name in (string[])["a:b", "c\\..\\d", "dot.", "con", "\xFF"])
        {
            using FileNode? file = back.Find(System.Text.Encoding.Latin1.GetBytes(name));
            Assert.NotNull(file);
            Assert.Equal(new Timestamp(1_000_000_000, 123_456_700), file.Facts.Modified);
        }
    }

    [Fact]
    public void What_cannot_be_kept_is_said_once_and_the_content_is_there()
    {
        CopyResult result = CopyOut(new CopyOptions { IsRecursive = true, IsArchive = true }, "file");
        Assert.Empty(result.Failed);
        Assert.Equal(2, result.Files);
        Assert.Equal("file", File.ReadAllText(Path.Combine(_folder, "tree", "second name")));
        Assert.Collection(result.Skipped,
            s => Assert.StartsWith("the owners of 3 files", s, StringComparison.Ordinal),
            s => Assert.StartsWith("the extended attributes of 2 files", s, StringComparison.Ordinal),
            s => Assert.StartsWith("the hard links of 2 names", s, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(@"C:\a", @"\\?\C:\a")]
    [InlineData(@"\\server\share\a", @"\\?\UNC\server\share\a")]
    [InlineData(@"\\?\C:\a", @"\\?\C:\a")]
    [InlineData(@"\\.\X:\a", @"\\.\X:\a")]
    public void Long_paths_are_meant_as_they_are(string path, string expected) => Assert.Equal(expected, PortableNode.Verbatim(path));
}
