using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Resize;

/// <summary>An image of mkfs.ext4 with some files in it, and what tells that they are still the same.</summary>
internal sealed class ResizeImage : IDisposable
{
    private readonly TestImage _image;

    private ResizeImage(TestImage image) => _image = image;

    public TestImage Image => _image;

    public string Path => _image.Path;

    /// <summary>Makes it.</summary>
    /// <param name="blocks">Blocks of the file system.</param>
    /// <param name="options">Of mkfs.ext4; with the block size.</param>
    /// <param name="fill">A script that fills it, with the kernel's mount at $M; null for a few files.</param>
    public static ResizeImage Make(long blocks, string options, string? fill = null)
    {
        Shell.RequireLoopMounts();
        Shell.Require("resize2fs", "dumpe2fs");
        TestImage image = TestImage.Make(1);
        Shell.Script($"rm {image.Path}; mkfs.ext4 -q -F {options} {image.Path} {blocks}");
        image.WithKernel(fill ?? FewFiles);
        return new ResizeImage(image);
    }

    public ResizeImage Copy() => new(_image.Copy());

    private const string FewFiles = """
        mkdir -p $M/a/b/c; cp /etc/passwd $M/a/; ln $M/a/passwd $M/a/b/linked; ln -s ../passwd $M/a/b/c/symlink
        ln -s /$(printf 'x%.0s' {1..200}) $M/long; head -c 700000 /dev/urandom > $M/a/b/random
        for i in $(seq 1 120); do echo $i > $M/a/b/c/file-with-a-name-$i; done
        setfattr -n user.x -v "$(head -c 600 /dev/zero | tr '\0' y)" $M/a/passwd 2>/dev/null || true
        """;

    /// <summary>Names, kinds, modes, links and content of everything, as the kernel sees it.</summary>
    public string Tree() => _image.WithKernel(
        "cd $M; find . -path ./lost+found -prune -o -printf '%p %y %m %n %s %l\\n' | sort; find . -type f -print0 | sort -z | xargs -0 sha1sum", "loop,ro");

    public void SetLength(long bytes) => Shell.Script($"truncate -s {bytes} {Path}");

    /// <summary>Grows the file and the file system in it, without a mount by anybody.</summary>
    public ResizeResult Grow(long bytes)
    {
        SetLength(bytes);
        using Ext4Volume volume = Ext4Volume.Mount(LoopDevice.Open(Path), new Ext4MountOptions { UseBackgroundCommit = false });
        return volume.Grow(bytes);
    }

    /// <summary>Shrinks the file system; the file stays as it is.</summary>
    public ResizeResult Shrink(long bytes)
    {
        using Ext4Volume volume = Ext4Volume.Mount(LoopDevice.Open(Path), new Ext4MountOptions { UseBackgroundCommit = false });
        return volume.Shrink(bytes);
    }

    /// <summary>The same by resize2fs.</summary>
    public void GrowWithResize2fs(long bytes) => Shell.Script($"truncate -s {bytes} {Path}; e2fsck -fy {Path} >/dev/null || true; resize2fs {Path}");

    /// <summary>Shrinks the file system as far as can be; the file stays as it is.</summary>
    public ResizeResult ShrinkToMinimum()
    {
        using Ext4Volume volume = Ext4Volume.Mount(LoopDevice.Open(Path), new Ext4MountOptions { UseBackgroundCommit = false });
        return volume.ShrinkToMinimum();
    }

    /// <summary>Shrinks as far as resize2fs can.</summary>
    /// <returns>Bytes of the file system.</returns>
    public long ShrinkWithResize2fs()
    {
        Shell.Script($"e2fsck -fy {Path} >/dev/null || true; resize2fs -M {Path}");
        string header = Shell.Run("dumpe2fs", ["-h", Path]).Output;
        long Value(string name) => long.Parse(header.Split('\n').First(line => line.StartsWith(name, StringComparison.Ordinal)).Split(':')[1]);
        return Value("Block count") * Value("Block size");
    }

    /// <summary>The lines of dumpe2fs -h that say sizes.</summary>
    public Dictionary<string, string> Counts()
    {
        string[] names = ["Inode count", "Block count", "Reserved block count", "Free inodes", "Free blocks", "Reserved GDT blocks"];
        return Shell.Run("dumpe2fs", ["-h", Path]).Output.Split('\n').Select(line => line.Split(':', 2))
            .Where(parts => parts.Length == 2 && names.Contains(parts[0])).ToDictionary(parts => parts[0], parts => parts[1].Trim());
    }

    public void Dispose() => _image.Dispose();
}
