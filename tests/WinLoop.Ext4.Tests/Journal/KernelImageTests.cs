using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal.Recovery;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Journal;

/// <summary>
/// Recovery of images that the kernel left dirty, compared block by block with the kernel's own recovery:
/// all blocks but the primary superblock and the journal must be equal.
/// </summary>
public class KernelImageTests
{
    // Creates, deletes, renames, links and grows in several transactions.
    private const string Ordinary = """
        mkdir $M/a $M/b
        for i in $(seq 1 40); do echo "file $i" > $M/a/f$i; done
        sync -f $M; echo x > $M/s1; sync $M/s1
        for i in $(seq 1 20); do mv $M/a/f$i $M/b/g$i; ln $M/b/g$i $M/b/h$i; done
        echo x > $M/s2; sync $M/s2
        rm $M/b/g1 $M/b/h1 $M/a/f30; ln -s target $M/link; mknod $M/pipe p
        dd if=/dev/urandom of=$M/big bs=64k count=20 status=none
        echo x > $M/s3; sync $M/s3
        """;

    // Directories and their blocks freed and reused by data: revoke records.
    private const string Revoking = """
        for round in 1 2 3; do
          for d in $(seq 1 15); do mkdir $M/d$d; for i in $(seq 1 30); do echo $i > $M/d$d/a_rather_long_file_name_$i; done; done
          echo x > $M/s; sync $M/s
          rm -rf $M/d*
          echo y > $M/s; sync $M/s
          dd if=/dev/urandom of=$M/data$round bs=64k count=30 status=none; sync $M/data$round
        done
        """;

    // Blocks that begin with the journal's magic number.
    private const string Escaping = """
        for i in $(seq 1 20); do
          for b in 0 1 2 3 4 5 6 7; do printf '\xc0\x3b\x39\x98'; head -c 4092 /dev/urandom; done > $M/magic$i
          sync $M/magic$i
        done
        """;

    // Enough transactions to go around a small log.
    private const string Wrapping = """
        mkdir $M/w
        for i in $(seq 1 150); do echo $i > $M/w/file_$i; mkdir $M/w/dir_$i; [ $i -gt 20 ] && rm $M/w/file_$((i-20)); sync $M/w/file_$i; done
        """;

    public static TheoryData<string, string, string, string> Images => new()
    {
        { "v3, 1 KiB blocks", "-b 1024", "", Ordinary },
        { "v3, 4 KiB blocks", "-b 4096", "", Ordinary },
        { "no checksums", "-b 1024 -O ^metadata_csum", "", Ordinary },
        { "v3 without 64bit", "-b 1024 -O ^64bit", "", Ordinary },
        { "no checksums without 64bit", "-b 4096 -O ^64bit,^metadata_csum", "", Ordinary },
        { "v1", "-b 1024 -O ^metadata_csum", "journal_checksum", Ordinary },
        { "v1 without 64bit, revokes", "-b 1024 -O ^metadata_csum,^64bit", "journal_checksum", Revoking },
        { "asynchronous v3", "-b 4096", "data=writeback,journal_async_commit", Ordinary },
        { "asynchronous v1", "-b 1024 -O ^metadata_csum", "data=writeback,journal_async_commit", Ordinary },
        { "journaled data, 4 KiB", "-b 4096", "data=journal", Escaping },
        { "journaled data, 1 KiB", "-b 1024", "data=journal", Escaping },
        { "journaled data, no checksums", "-b 1024 -O ^metadata_csum", "data=journal", Escaping },
        { "revokes, 4 KiB", "-b 4096", "", Revoking },
        { "revokes, 1 KiB without 64bit", "-b 1024 -O ^64bit", "", Revoking },
        { "wrap", "-b 1024 -J size=1", "", Wrapping },
        { "wrap, journaled data", "-b 1024 -J size=1", "data=journal", Wrapping },
        { "wrap, v1", "-b 1024 -J size=1 -O ^metadata_csum", "journal_checksum", Wrapping },
        { "block-mapped", "-b 1024 -O ^extent,^64bit", "", Revoking },
        { "orphan file", "-b 4096 -O orphan_file", "", Ordinary },
        { "fast commits stale", "-b 4096 -O fast_commit", "", Ordinary + "\nsetfattr -n user.a -v b $M/s1; sync -f $M; mkdir $M/n; setfattr -n user.a -v c $M/s1; sync $M/s1" },
    };

    /// <summary>Makes an image, works on it, and returns a copy taken while it is mounted.</summary>
    internal static TestImage MakeDirty(string mkfs, string mount, string script)
    {
        using TestImage image = TestImage.Make(32, mkfs);
        string copy = image.Path + ".dirty";
        image.WithKernel(script + $"\ncp --sparse=always {image.Path} {copy}", mount.Length == 0 ? "loop" : "loop," + mount);
        TestImage dirty = image.Copy();
        File.Copy(copy, dirty.Path, overwrite: true);
        return dirty;
    }

    // The kernel recovers also for a read-only mount, if the device is writable.
    private static void RecoverByKernel(TestImage image, string mount)
    {
        string options = string.Join(',', mount.Split(',').Where(o => o.Contains("journal_", StringComparison.Ordinal) || o.StartsWith("data=", StringComparison.Ordinal)).Prepend("ro"));
        Shell.Script($"""
            M=$(mktemp -d); L=$(losetup -f --show {image.Path})
            trap 'umount $M 2>/dev/null || true; losetup -d $L; rmdir $M' EXIT
            mount -o {options} $L $M
            """);
    }

    [Theory]
    [MemberData(nameof(Images))]
    public void RecoveryEqualsTheKernels(string name, string mkfs, string mount, string script)
    {
        Shell.RequireLoopMounts();
        using TestImage dirty = MakeDirty(mkfs, mount, script);
        byte[] bytes = File.ReadAllBytes(dirty.Path);
        using var device = new MemoryDevice(bytes);
        var superblock = new Superblock(bytes.AsSpan(Superblock.Offset));
        Assert.True(superblock.Has(IncompatFeatures.Recover));
        Geometry geometry = Geometry.Create(superblock, bytes.Length);
        JournalMap map = JournalMapReader.Read(device, geometry, superblock);
        JournalSuperblock jsb = JournalRecovery.ReadSuperblock(device, geometry, map);
        JournalRecoveryResult result = JournalRecovery.Run(device, geometry, map, jsb);
        TestContext.Current.TestOutputHelper!.WriteLine($"{name}: {result}");
        Assert.True(result.Transactions > 0 && result.Blocks > 0);
        if (name.Contains("revokes", StringComparison.Ordinal))
        {
            Assert.True(result.RevokedBlocks > 0);
        }

        RecoverByKernel(dirty, mount);
        byte[] kernel = File.ReadAllBytes(dirty.Path);
        int size = geometry.BlockSize;
        ulong superblockAt = (ulong)Superblock.Offset >> geometry.BlockSizeBits;
        var different = new List<ulong>();
        for (ulong block = 0; block < geometry.BlocksCount; block++)
        {
            int at = (int)block * size;
            if (block != superblockAt && !map.Contains(block) && !bytes.AsSpan(at, size).SequenceEqual(kernel.AsSpan(at, size)))
            {
                different.Add(block);
            }
        }
        Assert.True(different.Count == 0, $"blocks {string.Join(' ', different.Take(20))} differ");

        // The kernel takes a journal recovered here for a clean one.
        File.WriteAllBytes(dirty.Path, bytes);
        dirty.WithKernel("ls -lR $M > /dev/null; echo x > $M/new; sync -f $M");
        dirty.AssertClean();
    }

    [Fact]
    public void LiveFastCommitsAreRefused()
    {
        Shell.RequireLoopMounts();
        using TestImage dirty = MakeDirty("-b 4096 -O fast_commit", "", "echo 1 > $M/a; sync -f $M; echo 2 > $M/b; sync $M/b; mv $M/b $M/c; sync $M/c");
        byte[] bytes = File.ReadAllBytes(dirty.Path);
        byte[] before = (byte[])bytes.Clone();
        using var device = new MemoryDevice(bytes);
        var superblock = new Superblock(bytes.AsSpan(Superblock.Offset));
        Geometry geometry = Geometry.Create(superblock, bytes.Length);
        JournalMap map = JournalMapReader.Read(device, geometry, superblock);
        JournalSuperblock jsb = JournalRecovery.ReadSuperblock(device, geometry, map);
        Assert.Equal("fast_commit replay", Assert.Throws<Ext4NotSupportedException>(() => JournalRecovery.Run(device, geometry, map, jsb)).Feature);
        Assert.True(before.AsSpan().SequenceEqual(bytes));
    }

    [Theory]
    [InlineData("v2, 64bit", "-b 1024", "-v 2")]
    [InlineData("v2, 32bit", "-b 1024 -O ^64bit", "-v 2")]
    [InlineData("v3", "-b 4096", "-v 3")]
    public void LogsWrittenByDebugfsAreReplayedAsByE2fsck(string name, string mkfs, string version)
    {
        Shell.Require("debugfs");
        using TestImage image = TestImage.Make(32, mkfs);
        Shell.Script($"""
            cd $(dirname {image.Path})
            for b in 1 2 3; do printf '\xc0\x3b\x39\x98'; head -c 8188 /dev/urandom; done > magic; head -c 65536 /dev/urandom > data
            debugfs -w -f - image.ext4 <<E
            jo -c {version}
            jw -b 25001,25002,25003,25010,25011 data
            jc
            jo -c {version}
            jw -b 25004,25005,25006,25002 magic
            jw -r 25010
            jc
            E
            rm magic data
            """.Replace("25", mkfs.Contains("4096", StringComparison.Ordinal) ? "7" : "25", StringComparison.Ordinal));
        byte[] bytes = File.ReadAllBytes(image.Path);
        using var device = new MemoryDevice(bytes);
        var superblock = new Superblock(bytes.AsSpan(Superblock.Offset));
        Geometry geometry = Geometry.Create(superblock, bytes.Length);
        JournalMap map = JournalMapReader.Read(device, geometry, superblock);
        JournalSuperblock jsb = JournalRecovery.ReadSuperblock(device, geometry, map);
        JournalRecoveryResult result = JournalRecovery.Run(device, geometry, map, jsb);
        TestContext.Current.TestOutputHelper!.WriteLine($"{name}: {result}, incompat {jsb.Incompat}");
        Assert.True(result.Transactions >= 2);
        Shell.Run("e2fsck", ["-y", "-E", "journal_only", image.Path]);
        byte[] theirs = File.ReadAllBytes(image.Path);
        for (ulong block = 2; block < geometry.BlocksCount; block++)
        {
            int at = (int)block * geometry.BlockSize;
            Assert.True(map.Contains(block) || bytes.AsSpan(at, geometry.BlockSize).SequenceEqual(theirs.AsSpan(at, geometry.BlockSize)), $"block {block}");
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("-O ^extent,^64bit")]
    public void TheCopyInTheSuperblockReplacesADamagedJournalInode(string mkfs)
    {
        using TestImage image = TestImage.Make(64, "-b 1024 " + mkfs);
        byte[] bytes = File.ReadAllBytes(image.Path);
        using var device = new MemoryDevice(bytes);
        var superblock = new Superblock(bytes.AsSpan(Superblock.Offset));
        Geometry geometry = Geometry.Create(superblock, bytes.Length);
        JournalMap good = JournalMapReader.Read(device, geometry, superblock);
        Assert.Equal(4096u, good.Count);
        // Inode 8 as debugfs prints it: "located at block B, offset 0xO".
        string place = Shell.Run("debugfs", ["-R", "imap <8>", image.Path]).Output;
        string[] words = place.Split(' ', '\n', ',');
        int at = (int.Parse(words[Array.LastIndexOf(words, "block") + 1]) * 1024) +
                 Convert.ToInt32(words[Array.IndexOf(words, "offset") + 1], 16);
        bytes.AsSpan(at, 128).Fill(0xEE);
        JournalMap backup = JournalMapReader.Read(device, geometry, superblock);
        Assert.Equal(good.Count, backup.Count);
        for (uint i = 0; i < good.Count; i++)
        {
            Assert.Equal(good[i], backup[i]);
        }
        superblock.JournalBackupType = 0;
        Assert.Throws<Ext4CorruptException>(() => JournalMapReader.Read(device, geometry, superblock));
        superblock.JournalInode = 0;
        superblock.JournalDevice = 0x0801;
        Assert.Equal("external journal", Assert.Throws<Ext4NotSupportedException>(() => JournalMapReader.Read(device, geometry, superblock)).Feature);
    }

    [Theory]
    [InlineData("-O ^metadata_csum")]
    [InlineData("-O ^metadata_csum,^extent,^64bit")]
    public void MutatedJournalInodesAreDamageAndNothingElse(string mkfs)
    {
        int seed = Random.Shared.Next();
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
        var random = new Random(seed);
        using TestImage image = TestImage.Make(32, "-b 1024 " + mkfs);
        byte[] bytes = File.ReadAllBytes(image.Path);
        // The descriptor of group 0, the journal's inode, and the blocks its mapping is in.
        int descriptor = 2048;
        int table = System.Buffers.Binary.BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(descriptor + 8)) * 1024;
        int inode = table + (7 * 256);
        int indirect = System.Buffers.Binary.BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(inode + 0x28 + 48)) * 1024;
        for (int round = 0; round < 3000; round++)
        {
            byte[]? undo = null;
            int at = 0;
            var changes = new List<(int At, byte[] Old)>();
            for (int m = random.Next(1, 4); m > 0; m--)
            {
                at = random.Next(6) switch { 0 => descriptor + (random.Next(16) * 4), 1 when indirect > 0 && indirect < bytes.Length - 1024 => indirect + (random.Next(256) * 4), 2 => inode + (random.Next(32) * 4), _ => inode + 0x28 + (random.Next(15) * 4) };
                undo = bytes.AsSpan(at, 4).ToArray();
                changes.Add((at, undo));
                uint value = random.Next(5) switch { 0 => 0u, 1 => uint.MaxValue, 2 => (uint)random.Next(40000), 3 => 0xF30A | (uint)random.Next(8) << 16, _ => (uint)random.NextInt64(1L << 32) };
                System.Buffers.Binary.BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(at), value);
            }
            using var device = new MemoryDevice(bytes);
            var superblock = new Superblock(bytes.AsSpan(Superblock.Offset)) { JournalBackupType = (byte)random.Next(2) };
            Geometry geometry = Geometry.Create(superblock, bytes.Length);
            try
            {
                JournalMap map = JournalMapReader.Read(device, geometry, superblock);
                JournalRecovery.Run(device, geometry, map, JournalRecovery.ReadSuperblock(device, geometry, map));
            }
            catch (Exception e) when (e is Ext4CorruptException or Ext4NotSupportedException)
            {
            }
            changes.Reverse();
            foreach ((int place, byte[] old) in changes)
            {
                old.CopyTo(bytes.AsSpan(place));
            }
        }
    }
}
