using System.Formats.Tar;

namespace WinLoop.Benchmarks;

/// <summary>The prepared inputs: an image with a directory of 50,000 names, a sparse 64 GiB image and a tar
/// of a source-like tree. Made once per work folder with mkfs.ext4 and the kernel's driver.</summary>
internal sealed class Images
{
    public const int LargeDirectoryEntries = 50_000;
    public const int TreeFiles = 800;

    private readonly string _work;

    private Images(string work) => _work = work;

    public string Base => Path.Combine(_work, "base.img");
    public string Large => Path.Combine(_work, "large64g.img");
    public string Tree => Path.Combine(_work, "tree.tar");

    public static string LargeDirectoryName(int i) => $"entry-{i * 2654435761L % (1L << 32):D10}-{i}.dat";

    public static Images Prepare(string work)
    {
        var images = new Images(work);
        string mount = Path.Combine(work, "prepare");
        Directory.CreateDirectory(mount);
        if (!File.Exists(images.Base))
        {
            Tool.Run($"truncate -s 6G {images.Base}.tmp && mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 {images.Base}.tmp && mount -o loop {images.Base}.tmp {mount}");
            Directory.CreateDirectory(mount + "/big");
            for (int i = 0; i < LargeDirectoryEntries; i++)
            {
                File.Create($"{mount}/big/{LargeDirectoryName(i)}").Dispose();
            }
            Tool.Run($"umount {mount}");
            File.Move(images.Base + ".tmp", images.Base);
        }
        if (!File.Exists(images.Large))
        {
            Tool.Run($"truncate -s 64G {images.Large}.tmp && mkfs.ext4 -q -F {images.Large}.tmp");
            File.Move(images.Large + ".tmp", images.Large);
        }
        if (!File.Exists(images.Tree))
        {
            WriteTree(images.Tree);
        }
        return images;
    }

    public string CopyBase()
    {
        string copy = Path.Combine(_work, "run.img");
        Tool.Run($"cp --sparse=always {Base} {copy}");
        return copy;
    }

    // Log-uniform sizes from 64 B to 512 KiB in nested directories, always the same.
    private static void WriteTree(string path)
    {
        var random = new Random(20240607);
        byte[] blob = new byte[1 << 20];
        random.NextBytes(blob);
        var directories = new List<string> { "tree" };
        for (int i = 0; i < TreeFiles / 16; i++)
        {
            string parent = directories[random.Next(directories.Count)];
            directories.Add($"{(parent.Count(c => c == '/') > 6 ? "tree" : parent)}/dir{i}");
        }
        using FileStream stream = File.Create(path);
        using var tar = new TarWriter(stream, TarEntryFormat.Ustar);
        foreach (string directory in directories)
        {
            tar.WriteEntry(new UstarTarEntry(TarEntryType.Directory, directory));
        }
        for (int i = 0; i < TreeFiles; i++)
        {
            int size = (int)(64 * Math.Pow(2, Math.Pow(random.NextDouble(), 1.6) * 13));
            tar.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, $"{directories[random.Next(directories.Count)]}/file{i:D5}.c")
            {
                DataStream = new MemoryStream(blob, random.Next(blob.Length - size), size),
            });
        }
    }
}
