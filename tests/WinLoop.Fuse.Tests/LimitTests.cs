using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Fuse.Tests;

/// <summary>Bounds of the host: sizes of messages, of attributes and of paths, and many mounts at once (docs/limits.md).</summary>
public sealed class LimitTests
{
    [Fact]
    public void A_message_carries_one_mebibyte_at_most()
    {
        using MountedImage mounted = new(256);
        mounted.Run("""
            head -c 40M /dev/urandom > $T/random
            dd if=$T/random of=file bs=10M status=none; sync file
            echo 1 > /proc/sys/vm/drop_caches
            cmp file $T/random
            """);
        QueueStatistics statistics = mounted.Host.GetStatistics();
        foreach (string operation in (string[])["READ", "WRITE"])
        {
            OperationStatistics of = Assert.Single(statistics.Operations, o => o.Name.Equals(operation, StringComparison.OrdinalIgnoreCase));
            Assert.True(of.Count >= 40, $"{of.Bytes} bytes in {of.Count} {operation} requests");
        }
        mounted.VerifyWithKernel("cmp file $T/random");
    }

    [Fact]
    public void An_attribute_that_does_not_fit_is_refused_and_nothing_is_damaged()
    {
        Shell.Require("python3");
        using MountedImage mounted = new(64, "-b 4096");
        mounted.Run("""
            cat > $T/xattr.py <<'END'
            import errno, os
            open('f', 'w').close()
            for size, expected in ((3000, 0), (65536, errno.ENOSPC), (65537, errno.E2BIG)):
                try:
                    os.setxattr('f', 'user.a', b'x' * size)
                    found = 0
                except OSError as e:
                    found = e.errno
                assert found == expected, (size, found)
            try:
                os.setxattr('f', 'user.' + 'n' * 251, b'x')
                raise SystemExit('a name of 256 bytes was taken')
            except OSError as e:
                assert e.errno == errno.ERANGE, e
            assert os.getxattr('f', 'user.a') == b'x' * 3000
            END
            python3 $T/xattr.py
            """);
        mounted.VerifyWithKernel("getfattr -d f | grep -q user.a");
    }

    [Fact]
    public void A_tree_deeper_than_a_path_can_be_made_walked_and_removed()
    {
        Shell.Require("python3");
        using MountedImage mounted = new(64);
        mounted.Run("""
            cat > $T/deep.py <<'END'
            import errno, os
            name, depth = 'd' * 200, 300
            for i in range(depth):                      # 60,000 bytes: 15 times PATH_MAX
                os.mkdir(name)
                os.chdir(name)
            open('bottom', 'w').write('found')
            try:
                os.stat('/'.join(['..'] * 2000))
                raise SystemExit('a path of 6,000 bytes was taken')
            except OSError as e:
                assert e.errno == errno.ENAMETOOLONG, e
            for i in range(depth):
                os.chdir('..')
            END
            python3 $T/deep.py
            [ "$(find . -name bottom | wc -l)" = 1 ]
            rm -r ddd*
            """);
        mounted.VerifyWithKernel("[ $(ls | wc -l) = 1 ]");
    }

    [Fact]
    public void Twelve_mounts_in_one_process_do_not_know_of_each_other()
    {
        var mounts = new List<MountedImage>();
        try
        {
            for (int i = 0; i < 12; i++)
            {
                mounts.Add(new MountedImage(16));
            }
            for (int i = 0; i < mounts.Count; i++)
            {
                mounts[i].Run($"echo mount {i} > file; mkdir d{i}");
            }
            for (int i = 0; i < mounts.Count; i++)
            {
                Assert.Equal($"mount {i}\n", mounts[i].Run("cat file"));
                Assert.Equal($"d{i}\n", mounts[i].Run("ls | grep ^d"));
            }
            foreach (MountedImage mount in mounts)
            {
                mount.Unmount();
                mount.Image.AssertClean();
            }
        }
        finally
        {
            mounts.ForEach(m => m.Dispose());
        }
    }
}
