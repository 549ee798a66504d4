using WinLoop.Ext4.Tests.Hostile;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Check;

/// <summary>Images of many shapes: those of the hostile corpus, filled by the engine, and those filled by mkfs or the
/// kernel.</summary>
internal static class CheckCorpus
{
    private static readonly (string Name, int Kilobytes, string Options)[] s_kernel =
    [
        ("kernel-1k", 8192, "-b 1024 -J size=1 -O metadata_csum,64bit"),
        ("kernel-4k", 16384, "-b 4096 -J size=4 -O metadata_csum,64bit,metadata_csum_seed"),
        ("kernel-2k-nojournal", 8192, "-b 2048 -O ^has_journal,metadata_csum"),
        ("kernel-ext2", 8192, "-t ext2 -b 1024"),
        ("kernel-ext3", 8192, "-t ext3 -b 1024 -J size=1"),
        ("kernel-uninit", 16384, "-b 1024 -J size=1 -O ^metadata_csum,uninit_bg,^64bit -g 2048"),
        ("kernel-noflex", 16384, "-b 1024 -J size=1 -O metadata_csum,^flex_bg,^resize_inode -g 2048 -E lazy_itable_init=1"),
        ("kernel-nosparse", 8192, "-b 1024 -O ^has_journal,^sparse_super,^resize_inode -g 1024 -I 512"),
        ("kernel-orphanfile", 8192, "-b 1024 -J size=1 -O metadata_csum,orphan_file -I 1024"),
    ];

    /// <summary>All seeds; without a kernel that loop-mounts, only those of the engine.</summary>
    public static List<HostileSeed> Make()
    {
        List<HostileSeed> seeds = HostileCorpus.Make();
        if (Environment.UserName == "root" && File.Exists("/dev/loop-control"))
        {
            seeds.AddRange(s_kernel.Select(s => new HostileSeed(s.Name, FillByKernel(s.Kilobytes, s.Options))));
        }
        return seeds;
    }

    private static byte[] FillByKernel(int kilobytes, string options)
    {
        string folder = Directory.CreateTempSubdirectory("winloop-check-").FullName;
        try
        {
            string path = Path.Combine(folder, "image");
            Shell.Script($"truncate -s {kilobytes}K {path}; mkfs.ext4 -q -F -m 1 {options} {path}; mkdir {folder}/m; mount -o loop {path} {folder}/m; trap 'umount {folder}/m' EXIT; cd {folder}/m\n" + """
                mkdir -p a/b/c d; for i in $(seq 150); do : > a/a-rather-long-name-of-file-number-$i; done
                for i in $(seq 40); do mkdir d/$i; echo $i > d/$i/x; ln -s ../$i/x d/$i/link; done
                head -c 300000 /dev/urandom > big; for i in $(seq 0 2 60); do fallocate -p -o $((i * 4096)) -l 4096 big 2>/dev/null || true; done
                fallocate -l 100000 reserved 2>/dev/null || true; truncate -s 1G sparse; echo end | dd of=sparse bs=1 seek=500000 conv=notrunc status=none
                ln -s $(printf 'x%.0s' $(seq 300)) slow; ln -s /short fast; mkfifo pipe; mknod dev b 8 3; mknod big-dev c 300 70000; ln big hard
                setfattr -n user.one -v value big 2>/dev/null || true; setfattr -n user.large -v $(printf 'y%.0s' $(seq 500)) big 2>/dev/null || true
                for i in 1 2 3; do setfattr -n user.shared -v $(printf 'z%.0s' $(seq 400)) d/$i/x 2>/dev/null || true; done
                rm a/*-1[0-9]; rmdir a/b/c; cd /; sync
                """);
            return File.ReadAllBytes(path);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
