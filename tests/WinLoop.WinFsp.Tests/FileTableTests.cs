using WinLoop.Ext4;
using WinLoop.Mounting.Windows;
using WinLoop.TestKit;
using WinLoop.WinFsp.Callbacks;

namespace WinLoop.WinFsp.Tests;

/// <summary>Numbers of opens.</summary>
public sealed class FileTableTests : IDisposable
{
    private readonly TestImage _image = TestImage.Make(16);
    private readonly Ext4Volume _volume;
    private readonly WindowsFileSystem _files;

    public FileTableTests()
    {
        _volume = _image.Mount();
        _files = new WindowsFileSystem(_volume, new WindowsOptions());
    }

    public void Dispose()
    {
        _files.Dispose();
        _volume.Dispose();
        _image.Dispose();
    }

    [Fact]
    public void A_number_is_its_opens_until_it_is_removed_and_never_again()
    {
        FileTable table = new();
        WindowsFile first = Open(), second = Open();
        ulong key = table.Add(first);
        Assert.NotEqual(0ul, key);
        Assert.Same(first, table.Find(key));
        Assert.Same(first, table.Remove(key));
        Assert.Null(table.Remove(key));
        ulong next = table.Add(second);
        Assert.Equal((uint)key, (uint)next); // the same place
        Assert.NotEqual(key, next);
        Assert.Null(table.Find(key));
        Assert.Same(second, table.Find(next));
        Assert.Equal(1, table.Count);
        table.Clear();
        Assert.Null(table.Find(next));
        Assert.Equal(0, table.Count);
    }

    [Theory]
    [InlineData(0ul)]
    [InlineData(65ul)]
    [InlineData(1ul)]
    [InlineData(ulong.MaxValue)]
    [InlineData(0x7FFF_FFFF_FFFFul)]
    public void Any_other_number_is_none(ulong key)
    {
        FileTable table = new();
        Assert.Null(table.Find(key));
        table.Add(Open());
        Assert.Null(table.Find(key));
        Assert.Null(table.Remove(key));
    }

    [Fact]
    public void Many_threads_find_what_they_have_put_in_while_it_grows()
    {
        FileTable table = new();
        WindowsFile[] files = [.. Enumerable.Range(0, 8).Select(_ => Open())];
        Parallel.ForEach(files, file =>
        {
            for (int round = 0; round < 200; round++)
            {
                ulong[] keys = [.. Enumerable.Range(0, 100).Select(_ => table.Add(file))];
                foreach (ulong key in keys)
                {
                    Assert.Same(file, table.Find(key));
                    Assert.Same(file, table.Remove(key));
                }
            }
        });
        Assert.Equal(0, table.Count);
    }

    private WindowsFile Open()
    {
        Assert.Equal(NtStatus.Success, _files.Open(@"\", 0, 0x1F01FF, out WindowsFile? file, out _));
        return file!;
    }
}
