using System.Text;
using WinLoop.Ext4.Format;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Hostile;

/// <summary>An honest image to be damaged.</summary>
/// <param name="Name">Its shape.</param>
/// <param name="Image">The bytes.</param>
/// <param name="Settled">The same with its journal replayed; null if there is nothing to replay.</param>
internal sealed record HostileSeed(string Name, byte[] Image, byte[]? Settled = null);

/// <summary>Small images of several shapes, made by mkfs.ext4 and filled with one of everything.</summary>
internal static class HostileCorpus
{
    private static readonly (string Name, int Kilobytes, string Options, bool IsDirty)[] s_shapes =
    [
        ("1k", 3072, "-b 1024 -N 256 -J size=1 -O metadata_csum,64bit,orphan_file", false),
        ("1k-dirty", 3072, "-b 1024 -N 256 -J size=1 -O metadata_csum,64bit,orphan_file", true),
        ("1k-nocsum", 3072, "-b 1024 -N 256 -J size=1 -O ^metadata_csum,^64bit,^orphan_file", false),
        ("1k-nocsum-dirty", 3072, "-b 1024 -N 256 -J size=1 -O ^metadata_csum,uninit_bg,^64bit,^orphan_file", true),
        ("1k-nojournal", 2048, "-b 1024 -N 256 -O ^has_journal,metadata_csum -g 1024", false),
        ("1k-inode128", 2048, "-b 1024 -N 256 -I 128 -O ^has_journal,metadata_csum", false),
        ("1k-blockmap", 2048, "-b 1024 -N 256 -O ^has_journal,^extent,^64bit,^metadata_csum,^flex_bg -d TREE", false),
        ("2k-dirty", 5120, "-b 2048 -N 256 -J size=2 -O metadata_csum,64bit,^orphan_file", true),
        ("2k-groups", 4096, "-b 2048 -N 512 -g 512 -O ^has_journal,metadata_csum,sparse_super2,^resize_inode", false),
        ("4k-nojournal", 2048, "-b 4096 -N 128 -O ^has_journal,metadata_csum", false),
        ("4k", 9216, "-b 4096 -N 128 -J size=4 -O metadata_csum,64bit,orphan_file,metadata_csum_seed", false),
        ("4k-dirty", 9216, "-b 4096 -N 128 -J size=4 -O metadata_csum,64bit,orphan_file", true),
    ];

    // Refused or read-only as they are; behind damage that hides why, the engine meets structures that it does not know.
    private static readonly (string Name, int Kilobytes, string Options, bool IsDirty)[] s_refused =
    [
        ("1k-unknown", 3072, "-b 1024 -N 256 -I 512 -J size=1 -O metadata_csum,inline_data,ea_inode,casefold,encrypt,mmp,large_dir -d TREE", false),
        ("1k-bigalloc", 4096, "-b 1024 -N 256 -C 4096 -O ^has_journal,metadata_csum,bigalloc -d TREE", false),
        ("1k-metabg", 3072, "-b 1024 -N 256 -O ^has_journal,metadata_csum,meta_bg,^resize_inode -g 1024 -d TREE", false),
        ("4k-quota", 4096, "-b 4096 -N 128 -O ^has_journal,metadata_csum,quota,project,verity -d TREE", false),
    ];

    /// <summary>Makes all seeds; the calling test is skipped where mkfs.ext4 is missing.</summary>
    /// <param name="withRefused">Also those that the engine refuses or only reads.</param>
    public static List<HostileSeed> Make(bool withRefused = false)
    {
        Shell.Require("mkfs.ext4");
        var seeds = new List<HostileSeed>();
        string folder = Directory.CreateTempSubdirectory("winloop-hostile-").FullName;
        string path = Path.Combine(folder, "image");
        try
        {
            // The engine writes no block-mapped files: mkfs.ext4 puts some in.
            Shell.Script($"mkdir -p {folder}/tree/sub/deep; cd {folder}/tree; echo text > small; head -c 400000 /dev/urandom > big; " +
                "ln -s small fast; ln -s $(printf 'x%.0s' {1..200}) slow; truncate -s 3G far; echo end >> far; " +
                "for i in $(seq 60); do ln small sub/$i-$(printf 'n%.0s' {1..100}); done; mkfifo fifo");
            foreach ((string name, int kilobytes, string options, bool isDirty) in withRefused ? [.. s_shapes, .. s_refused] : s_shapes)
            {
                Shell.Script($"rm -f {path}; truncate -s {kilobytes}K {path}; mkfs.ext4 -q -F -m 0 -U 6d5c1c2e-4f7b-4f0e-9b1a-0a7c5e3d2b19 -E hash_seed=0b8d3f52-7a91-4c35-8c67-1e2f40d9a6b3 {options.Replace("TREE", folder + "/tree", StringComparison.Ordinal)} {path}");
                byte[] image = File.ReadAllBytes(path);
                seeds.Add(options.Contains("TREE", StringComparison.Ordinal) ? new HostileSeed(name, image) : Fill(name, image, isDirty));
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
        return seeds;
    }

    private static HostileSeed Fill(string name, byte[] empty, bool isDirty)
    {
        var device = new HostileDevice(empty);
        var volume = Ext4Volume.Mount(device, new Ext4MountOptions { UseBackgroundCommit = false, CacheBytes = 1 << 20 });
        Fill(volume);
        volume.Synchronize();
        byte[] image = [.. device.Bytes]; // committed, but for the checkpoint
        volume.Dispose();
        return isDirty ? new HostileSeed(name, image, [.. device.Bytes]) : new HostileSeed(name, [.. device.Bytes]);
    }

    private static void Fill(Ext4Volume volume)
    {
        Inode root = volume.GetInode(Ext4Volume.RootInode);
        int blockSize = volume.Geometry.BlockSize;
        byte[] data = new byte[3 * blockSize];
        new Random(5).NextBytes(data);

        using (Holder small = File("small"))
        {
            volume.Write(small.Inode, data.AsSpan(0, 700), 0, Caller.Root);
            volume.SetExtendedAttribute(small.Inode, "user.short"u8, "value"u8, AttributeSetMode.CreateOrReplace);
            volume.SetExtendedAttribute(small.Inode, "security.label"u8, data.AsSpan(0, 300), AttributeSetMode.CreateOrReplace);
            volume.SetExtendedAttribute(small.Inode, "trusted.other"u8, data.AsSpan(300, 200), AttributeSetMode.CreateOrReplace);
        }
        using (Holder sparse = File("sparse"))
        {
            // Every second block: at 1 KiB a tree of two levels.
            for (int i = 0; i < 180; i += 2)
            {
                volume.Write(sparse.Inode, data.AsSpan(0, i % 3 == 0 ? blockSize : 10), (long)i * blockSize, Caller.Root);
            }
        }
        using (Holder far = File("far"))
        {
            volume.Write(far.Inode, data.AsSpan(0, 100), 3L << 30, Caller.Root);
            volume.Write(far.Inode, data.AsSpan(0, 100), 70000, Caller.Root);
        }
        if (volume.Geometry.Has(IncompatFeatures.Extents))
        {
            using Holder unwritten = File("unwritten");
            volume.Allocate(unwritten.Inode, AllocateMode.Default, 0, 20 * blockSize, Caller.Root);
            volume.Write(unwritten.Inode, data.AsSpan(0, blockSize), 5 * blockSize, Caller.Root);
        }
        volume.Release(volume.CreateSymlink(root, "fast"u8, "small"u8, Caller.Root));
        volume.Release(volume.CreateSymlink(root, "slow"u8, data.AsSpan(0, 200).ToArray().Select(b => (byte)('a' + (b % 26))).ToArray(), Caller.Root));
        volume.Release(volume.Create(root, "fifo"u8, 0x1000 | 0x1A4, 0, Caller.Root));
        volume.Release(volume.Create(root, "node"u8, 0x2000 | 0x1A4, 0x12345, Caller.Root));
        Inode sub = volume.CreateDirectory(root, "sub"u8, 0x1ED, Caller.Root);
        Inode deep = volume.CreateDirectory(sub, "deep"u8, 0x1ED, Caller.Root);
        byte[] acl = [2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 7, 0, 5, 0, 0, 0, 4, 0, 5, 0, 255, 255, 255, 255,
            16, 0, 7, 0, 255, 255, 255, 255, 32, 0, 5, 0, 255, 255, 255, 255];
        volume.SetExtendedAttribute(sub, "system.posix_acl_access"u8, acl, AttributeSetMode.CreateOrReplace);
        volume.SetExtendedAttribute(sub, "system.posix_acl_default"u8, acl, AttributeSetMode.CreateOrReplace);
        volume.Release(volume.Create(deep, "leaf"u8, 0x8000, 0, Caller.Root));
        // Long names make an htree of few inodes: all are links to one file.
        Inode indexed = volume.CreateDirectory(root, "indexed"u8, 0x1ED, Caller.Root);
        Inode many = volume.Create(indexed, "0"u8, 0x8000, 0, Caller.Root);
        int links = blockSize == 1024 ? 600 : 60;
        for (int i = 1; i < links; i++)
        {
            volume.Link(many, indexed, Encoding.ASCII.GetBytes(i + new string('x', i % 5 == 0 ? 240 : 60)));
        }
        volume.Unlink(deep, "leaf"u8);
        volume.Release(many);
        volume.Release(indexed);
        volume.Release(deep);
        volume.Release(sub);
        volume.Release(root);

        Holder File(string name) => new(volume, volume.Create(root, Encoding.ASCII.GetBytes(name), 0x8000 | 0x1A4, 0, Caller.Root));
    }

    private readonly record struct Holder(Ext4Volume Volume, Inode Inode) : IDisposable
    {
        public void Dispose()
        {
            Volume.Synchronize(Inode, false);
            Volume.Release(Inode);
        }
    }
}
