using System.Collections.Concurrent;
using System.Globalization;
using WinLoop.Ext4;
using WinLoop.Ext4.Format;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.CrashTests;

/// <summary>A small volume that workloads begin with: made by mkfs.ext4, with a few files of the engine's, and with
/// <see cref="Content.Stale"/> in every free block.</summary>
internal sealed class CrashImage
{
    /// <summary>What is on every image; the model begins with it too.</summary>
    public static readonly string[] Setup =
    [
        "mkdir A", "mkdir B", "create A/x", "write A/x 0 3000 1", "setxattr A/x user.a 40 2", "create A/z", "write A/z 0 6000 3",
    ];

    /// <summary>Feature sets that are written differently: name, MiB, options of mkfs.ext4.</summary>
    public static readonly (string Name, int Megabytes, string Options)[] Kinds =
    [
        ("1k", 3, "-b 1024 -J size=1"),
        ("1k-orphanfile", 3, "-b 1024 -J size=1 -O orphan_file"),
        ("1k-nocsum", 3, "-b 1024 -J size=1 -O ^metadata_csum,^64bit"),
        ("1k-nocsum-64bit", 3, "-b 1024 -J size=1 -O ^metadata_csum,64bit"),
        ("1k-32bit", 3, "-b 1024 -J size=1 -O ^64bit"),
        ("1k-inode128", 3, "-b 1024 -J size=1 -I 128"),
        ("1k-groups", 4, "-b 1024 -J size=1 -g 512 -G 4 -O metadata_csum_seed"),
        ("1k-plain", 3, "-b 1024 -J size=1 -O ^dir_index,^flex_bg,^uninit_bg,^metadata_csum,^resize_inode"),
        ("1k-discard", 3, "-b 1024 -J size=1"),
        ("2k", 5, "-b 2048 -J size=2"),
        ("4k", 9, "-b 4096 -J size=4"),
        ("4k-orphanfile", 9, "-b 4096 -J size=4 -O orphan_file,metadata_csum_seed"),
    ];

    /// <summary>Volumes without a journal: no crash test, but faults.</summary>
    public static readonly (string Name, int Megabytes, string Options)[] WithoutJournal =
    [
        ("1k-nojournal", 3, "-b 1024 -O ^has_journal"),
        ("4k-nojournal", 9, "-b 4096 -O ^has_journal"),
    ];

    private static readonly ConcurrentDictionary<string, Lazy<CrashImage>> s_images = new();

    private CrashImage(string name, int blockSize, byte[] bytes)
    {
        Name = name;
        BlockSize = blockSize;
        Bytes = bytes;
    }

    public string Name { get; }

    public int BlockSize { get; }

    /// <summary>metadata_csum: damage of metadata is seen when it is read.</summary>
    public bool HasChecksums => Superblock.Has(RoCompatFeatures.MetadataCsum);

    public bool HasJournal => Superblock.Has(CompatFeatures.HasJournal);

    /// <summary>False if times have seconds only.</summary>
    public bool HasFineTimes => Superblock.InodeSize > 128;

    private Superblock Superblock => new(Bytes.AsSpan(Superblock.Offset, Superblock.Size));

    /// <summary>The image; nobody writes to it.</summary>
    public byte[] Bytes { get; }

    /// <summary>The same image every time.</summary>
    public static CrashImage Get(string name) => s_images.GetOrAdd(name, n => new Lazy<CrashImage>(() => Make(n))).Value;

    /// <summary>How workloads and recoveries mount it.</summary>
    public Ext4MountOptions Options(TestHooks? hooks = null) => new()
    {
        UseBackgroundCommit = false,
        CacheBytes = 1 << 20,
        AccessTime = AccessTimeMode.None,
        Discard = Name.EndsWith("-discard", StringComparison.Ordinal),
        Hooks = hooks ?? new TestHooks { FirstGeneration = 1000 },
    };

    private static CrashImage Make(string name)
    {
        (_, int megabytes, string options) = Kinds.Concat(WithoutJournal).Single(k => k.Name == name);
        using TestImage file = TestImage.Make(megabytes,
            $"-N 128 -m 0 -U 6d1a2b3c-4d5e-4f60-8172-8394a5b6c7d8 -E hash_seed=11111111-2222-4333-8444-555555555555 {options}");
        var device = new MemoryDevice(File.ReadAllBytes(file.Path));
        int blockSize;
        using (new TestClock(TestClock.Start - 4000))
        using (Ext4Volume volume = Ext4Volume.Mount(device, Get(name, 0).Options()))
        using (var driver = new EngineDriver(volume))
        {
            blockSize = volume.Geometry.BlockSize;
            foreach (string operation in Setup)
            {
                Assert.Equal(0, Operations.Do(driver, operation).Error);
            }
        }
        byte[] bytes = new byte[device.Length];
        device.Read(bytes, 0);
        File.WriteAllBytes(file.Path, bytes);
        FillFreeBlocks(Shell.Run("dumpe2fs", [file.Path]).Output, bytes, blockSize);
        return new CrashImage(name, blockSize, bytes);
    }

    private static CrashImage Get(string name, int blockSize) => new(name, blockSize, []);

    // Lines like "  Free blocks: 9-17, 19".
    private static void FillFreeBlocks(string dump, byte[] bytes, int blockSize)
    {
        int filled = 0;
        foreach (string line in dump.Split('\n').Where(l => l.StartsWith("  Free blocks: ", StringComparison.Ordinal)))
        {
            foreach (string range in line["  Free blocks: ".Length..].Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
            {
                int[] ends = [.. range.Split('-').Select(n => int.Parse(n, CultureInfo.InvariantCulture))];
                bytes.AsSpan((ends[0] * blockSize)..((ends[^1] + 1) * blockSize)).Fill(Content.Stale);
                filled += ends[^1] - ends[0] + 1;
            }
        }
        Assert.True(filled * blockSize > bytes.Length / 8, $"only {filled} free blocks");
    }
}
