using WinLoop.TestKit;

namespace WinLoop.Fuse.Tests;

/// <summary>Pages that the kernel writes for nobody in particular, on a volume that becomes full in the middle.</summary>
public sealed class FullVolumeTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_a_mapping_could_not_write_is_an_error_of_msync(bool writeback)
    {
        using MountedImage mounted = new(16, "-b 4096 -m 0 -J size=4", options => options with { UseWritebackCache = writeback });
        mounted.Run("""
            cat > $T/map.py <<'END'
            import errno, mmap, os
            size = 512 << 10
            f = os.open("mapped", os.O_CREAT | os.O_RDWR)
            os.ftruncate(f, size)
            m = mmap.mmap(f, size)
            g = os.open("filler", os.O_CREAT | os.O_WRONLY)
            try:
                while True:
                    os.write(g, b"f" * 65536); os.fsync(g)
            except OSError as e:
                assert e.errno == errno.ENOSPC, e
            os.ftruncate(g, os.fstat(g).st_size - (256 << 10)); os.fsync(g)
            m[:] = b"m" * size
            try:
                m.flush()
                os.fsync(f)
            except OSError as e:
                print(errno.errorcode[e.errno])
                assert e.errno in (errno.ENOSPC, errno.EIO), e
            else:
                raise SystemExit("msync and fsync succeeded, and %d of %d bytes have room" % (os.fstat(f).st_blocks * 512, size))
            END
            python3 $T/map.py
            """);
        mounted.Unmount();
        mounted.Image.AssertClean();
    }
}
