using System.Text;
using DiscUtils;
using WinLoop.Ext4;
using WinLoop.TestKit;

namespace WinLoop.DiscUtils.Tests;

/// <summary>Short forms for what nearly every test does.</summary>
internal static class Opened
{
    /// <summary>Opens an image file, writable as files are.</summary>
    public static Ext4FileSystem Open(TestImage image, bool isReadOnly = false) => new(
        new FileStream(image.Path, FileMode.Open, isReadOnly ? FileAccess.Read : FileAccess.ReadWrite, FileShare.ReadWrite),
        new Ext4FileSystemOptions { IsReadOnly = isReadOnly, Ownership = global::DiscUtils.Streams.Ownership.Dispose });

    public static void Put(this DiscFileSystem fileSystem, string path, string content) => fileSystem.Put(path, Encoding.UTF8.GetBytes(content));

    public static void Put(this DiscFileSystem fileSystem, string path, byte[] content)
    {
        using Stream stream = fileSystem.OpenFile(path, FileMode.Create, FileAccess.Write);
        stream.Write(content);
    }

    public static byte[] Bytes(this DiscFileSystem fileSystem, string path)
    {
        using Stream stream = fileSystem.OpenFile(path, FileMode.Open, FileAccess.Read);
        byte[] content = new byte[stream.Length];
        stream.ReadExactly(content);
        Assert.Equal(-1, stream.ReadByte());
        return content;
    }

    public static string Text(this DiscFileSystem fileSystem, string path) => Encoding.UTF8.GetString(fileSystem.Bytes(path));

    /// <summary>Runs something with the root directory's inode.</summary>
    public static void WithRoot(this Ext4FileSystem fileSystem, Action<Ext4Volume, Inode> action)
    {
        Inode root = fileSystem.Volume.GetInode(Ext4Volume.RootInode);
        try
        {
            action(fileSystem.Volume, root);
        }
        finally
        {
            fileSystem.Volume.Release(root);
        }
    }
}
