using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Directories;

/// <summary>A volume in memory with directories of every shape, made once and copied for each use.</summary>
internal sealed class DirectoryFixture
{
    /// <summary>A directory's name and the names in it.</summary>
    public readonly record struct Shape(string Name, string[] Names);

    private readonly byte[] _content;

    public DirectoryFixture(string options, int scale = 1)
    {
        using TestImage image = TestImage.Make(8, options + " -N 64 -I 128");
        Shapes =
        [
            new("one", [.. Enumerable.Range(0, 12).Select(i => $"name {i}")]),
            new("some", [.. Enumerable.Range(0, 150 * scale).Select(i => $"name {i}")]),
            new("deep", [.. Enumerable.Range(0, 700 * scale).Select(i => $"{i}".PadRight(200 + (i % 55), 'x'))]),
        ];
        using (Ext4Volume volume = image.Mount())
        {
            Inode root = volume.GetInode(Ext4Volume.RootInode);
            Inode file = volume.Create(root, "file"u8, 0x1A4, 0, Caller.Root);
            FileInode = file.Number;
            foreach (Shape shape in Shapes)
            {
                Inode directory = volume.CreateDirectory(root, Names.Bytes(shape.Name), 0x1ED, Caller.Root);
                foreach (string name in shape.Names)
                {
                    volume.Link(file, directory, Names.Bytes(name));
                }
                volume.Release(directory);
            }
            volume.Release(file);
            volume.Release(root);
        }
        image.AssertClean();
        _content = File.ReadAllBytes(image.Path);
    }

    public Shape[] Shapes { get; }

    public uint FileInode { get; }

    /// <summary>Mounts a fresh copy.</summary>
    public Ext4Volume Mount(bool isReadOnly = false) =>
        Ext4Volume.Mount(new MemoryDevice(_content), new Ext4MountOptions { IsReadOnly = isReadOnly, UseBackgroundCommit = false });

    /// <summary>A reference to a directory by name.</summary>
    public static Inode Open(Ext4Volume volume, string name)
    {
        Inode root = volume.GetInode(Ext4Volume.RootInode);
        Inode directory = volume.Lookup(root, Names.Bytes(name))!;
        volume.Release(root);
        return directory;
    }

    /// <summary>A block of a directory as its readers hold it: what is changed here is seen by them as if it
    /// had come from the disk with a right checksum.</summary>
    public static MetadataBuffer Block(Ext4Volume volume, Inode directory, uint logical)
    {
        ulong physical = volume.Extents.Map(directory, logical).PhysicalOf(logical);
        foreach (BufferKind kind in new[] { BufferKind.DirectoryLeaf, BufferKind.HtreeNode, BufferKind.HtreeRoot })
        {
            try
            {
                MetadataBuffer buffer = volume.Cache.Read(physical, kind, directory.ChecksumSeed);
                bool isIndexed = volume.Geometry.Has(CompatFeatures.DirIndex) && (directory.Flags & InodeFlags.Index) != 0;
                if (isIndexed && kind == BufferKind.DirectoryLeaf && (logical == 0 || buffer.Data[..8].SequenceEqual(new byte[] { 0, 0, 0, 0, 0, 4, 0, 0 })))
                {
                    buffer.Dispose();
                    continue;
                }
                if (kind == BufferKind.HtreeNode && logical == 0)
                {
                    buffer.Dispose();
                    continue;
                }
                return buffer;
            }
            catch (Ext4CorruptException) when (kind != BufferKind.HtreeRoot)
            {
                // Another kind, then.
            }
        }
        throw new InvalidOperationException();
    }
}
