using System.Text;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Attributes;

/// <summary>Attributes written here and read by the kernel, and the other way round.</summary>
public class AttributeStoreTests
{
    private readonly record struct Step(int File, byte[] Name, byte[]? Value, int Flags);

    public static TheoryData<string> Formats =>
        ["-b 1024", "-b 4096", "-b 1024 -I 128", "-b 1024 -O ^metadata_csum", "-b 4096 -I 512", "-b 2048 -I 1024 -O ^64bit"];

    private static byte[] B(string text) => Encoding.Latin1.GetBytes(text);

    private static int ErrorOf(Action action)
    {
        try
        {
            action();
            return 0;
        }
        catch (Ext4Exception e)
        {
            return (int)e.Errno;
        }
    }

    private static byte[]? Get(Ext4Volume volume, Inode inode, byte[] name)
    {
        int length = volume.GetExtendedAttribute(inode, name, default);
        if (length < 0)
        {
            return null;
        }
        byte[] value = new byte[length];
        Assert.Equal(length, volume.GetExtendedAttribute(inode, name, value));
        return value;
    }

    private static SortedDictionary<string, byte[]> All(Ext4Volume volume, Inode inode)
    {
        byte[] list = new byte[volume.ListExtendedAttributes(inode, default)];
        Assert.Equal(list.Length, volume.ListExtendedAttributes(inode, list));
        return KernelAttributes.Decode(list, name => Get(volume, inode, name)!);
    }

    private static void AssertSame(SortedDictionary<string, byte[]> expected, SortedDictionary<string, byte[]> actual, string what)
    {
        Assert.True(expected.Keys.SequenceEqual(actual.Keys), $"{what}: [{string.Join(' ', expected.Keys)}] and [{string.Join(' ', actual.Keys)}]");
        foreach ((string name, byte[] value) in expected)
        {
            Assert.True(value.AsSpan().SequenceEqual(actual[name]), $"{what}: {name}");
        }
    }

    private static void Run(Ext4Volume volume, Inode inode, Action<Handle> action)
    {
        inode.Lock.EnterWrite();
        try
        {
            using Handle handle = volume.Journal.Start(20);
            action(handle);
        }
        finally
        {
            inode.Lock.ExitWrite();
        }
    }

    // An image with files f0, f1, ... made by the kernel, and their inode numbers.
    private static TestImage MakeFiles(string mkfs, int count, out uint[] inodes)
    {
        Shell.RequireLoopMounts();
        TestImage image = TestImage.Make(16, mkfs);
        string numbers = image.WithKernel($"cd $M; for i in $(seq 0 {count - 1}); do : > f$i; done; for i in $(seq 0 {count - 1}); do stat -c %i f$i; done");
        inodes = [.. numbers.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(uint.Parse)];
        return image;
    }

    private static List<Step> MakeSteps(Random random, int files, int blockSize, int count)
    {
        string[] prefixes = ["user.", "user.", "trusted.", "security."];
        byte[][] names = [.. Enumerable.Range(0, 14).Select(i =>
            B(prefixes[i % 4] + (char)('a' + i) + new string((char)random.Next(0x80, 0x100), random.Next(3)) + new string('n', i == 3 ? 200 : random.Next(12))))];
        byte[][] values = [.. Enumerable.Range(0, 6).Select(_ => { byte[] v = new byte[random.Next(0, 300)]; random.NextBytes(v); return v; })];
        var steps = new List<Step>();
        for (int i = 0; i < count; i++)
        {
            byte[]? value = null;
            if (random.Next(4) != 0)
            {
                value = random.Next(3) == 0 ? values[random.Next(values.Length)]
                    : new byte[random.Next(5) switch { 0 => random.Next(0, blockSize), 1 => random.Next(0, 300), _ => random.Next(0, 50) }];
                if (!values.Contains(value))
                {
                    random.NextBytes(value);
                }
            }
            steps.Add(new Step(random.Next(files), names[random.Next(names.Length)], value, random.Next(5) switch { 0 => 1, 1 => 2, _ => 0 }));
        }
        return steps;
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void RandomChangesEndAsInTheKernel(string mkfs)
    {
        int seed = Random.Shared.Next();
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
        var random = new Random(seed);
        const int files = 6;
        using TestImage image = MakeFiles(mkfs, files, out uint[] inodes);
        using TestImage twin = image.Copy();
        List<Step> steps = MakeSteps(random, files, int.Parse(mkfs.Split(' ')[1]), 600);

        var errors = new List<int>();
        var states = new SortedDictionary<string, byte[]>[files];
        using (var kernel = new KernelAttributes(twin))
        {
            foreach (Step step in steps)
            {
                errors.Add(step.Value is null ? kernel.Remove($"f{step.File}", step.Name) : kernel.Set($"f{step.File}", step.Name, step.Value, step.Flags));
            }
            for (int i = 0; i < files; i++)
            {
                states[i] = kernel.All($"f{i}");
            }
        }

        Ext4Volume volume = image.Mount();
        Inode[] held = [.. inodes.Select(volume.GetInode)];
        for (int i = 0; i < steps.Count; i++)
        {
            Step step = steps[i];
            Inode inode = held[step.File];
            byte[]? before = Get(volume, inode, step.Name);
            int error = ErrorOf(() =>
            {
                if (step.Value is null)
                {
                    volume.RemoveExtendedAttribute(inode, step.Name);
                }
                else
                {
                    volume.SetExtendedAttribute(inode, step.Name, step.Value, (AttributeSetMode)step.Flags);
                }
            });
            Assert.True(errors[i] == error, $"step {i}: kernel {errors[i]}, here {error}: value of {step.Value?.Length}, flags {step.Flags}");
            Assert.Equal(error == 0 ? step.Value : before, Get(volume, inode, step.Name));
            if (random.Next(150) == 0)
            {
                volume.Dispose();
                volume = image.Mount();
                held = [.. inodes.Select(volume.GetInode)];
            }
        }
        for (int i = 0; i < files; i++)
        {
            AssertSame(states[i], All(volume, held[i]), $"f{i} in the engine");
        }
        volume.Dispose();
        image.AssertClean();
        using (var kernel = new KernelAttributes(image))
        {
            for (int i = 0; i < files; i++)
            {
                AssertSame(states[i], kernel.All($"f{i}"), $"f{i} read by the kernel");
            }
        }

        // What the kernel wrote is read here, without a byte changed.
        string hash = Shell.Script($"sha256sum < {twin.Path}");
        using (Ext4Volume theirs = twin.Mount(new Ext4MountOptions { IsReadOnly = true }))
        {
            for (int i = 0; i < files; i++)
            {
                AssertSame(states[i], All(theirs, theirs.GetInode(inodes[i])), $"f{i} written by the kernel");
            }
        }
        Assert.Equal(hash, Shell.Script($"sha256sum < {twin.Path}"));
    }

    [Fact]
    public void EqualAttributesShareABlock()
    {
        const int files = 1030;
        using TestImage image = MakeFiles("-b 1024 -N 2000", files, out uint[] inodes);
        byte[] value = new byte[400];
        ulong Blocks(Ext4Volume volume, int count) => (ulong)inodes.Take(count).Select(i => volume.GetInode(i).FileAcl).Distinct().Count();
        using (Ext4Volume volume = image.Mount())
        {
            foreach (uint number in inodes)
            {
                volume.SetExtendedAttribute(volume.GetInode(number), "user.big"u8, value, 0);
            }
            Assert.Equal(2ul, Blocks(volume, files));
            // A change copies; taking it back shares again.
            Inode one = volume.GetInode(inodes[5]);
            volume.SetExtendedAttribute(one, "user.more"u8, value.AsSpan(0, 200), 0);
            Assert.Equal(3ul, Blocks(volume, files));
            Assert.Equal(2ul, one.Sectors);
            volume.RemoveExtendedAttribute(one, "user.more"u8);
            Assert.Equal(2ul, Blocks(volume, files));
            Assert.Equal(value, Get(volume, one, B("user.big")));
        }
        image.AssertClean();
        using (Ext4Volume volume = image.Mount())
        {
            ulong free = volume.GetStatistics().FreeBlocks;
            foreach (uint number in inodes)
            {
                Inode inode = volume.GetInode(number);
                volume.RemoveExtendedAttribute(inode, "user.big"u8);
                Assert.Equal(0ul, inode.FileAcl);
                Assert.Equal(0ul, inode.Sectors);
            }
            volume.Synchronize();
            Assert.Equal(free + 2, volume.GetStatistics().FreeBlocks);
        }
        image.AssertClean();
    }

    [Fact]
    public void BlocksSharedByTheKernelAreCopied()
    {
        using TestImage image = MakeFiles("-b 1024 -I 128", 4, out uint[] inodes);
        image.WithKernel("for i in 0 1 2 3; do setfattr -n user.a -v same $M/f$i; done");
        using (Ext4Volume volume = image.Mount())
        {
            Assert.Single(inodes.Select(i => volume.GetInode(i).FileAcl).Distinct());
            volume.SetExtendedAttribute(volume.GetInode(inodes[1]), "user.a"u8, "other"u8, 0);
            volume.RemoveExtendedAttribute(volume.GetInode(inodes[2]), "user.a"u8);
            Assert.Equal(B("same"), Get(volume, volume.GetInode(inodes[0]), B("user.a")));
        }
        image.AssertClean();
        Assert.Equal("same|other||same|", image.WithKernel("for i in 0 1 2 3; do getfattr --only-values -n user.a $M/f$i 2>/dev/null || true; echo -n '|'; done"));
    }

    [Fact]
    public void AFullVolumeRefusesABlockAndStaysAsItWas()
    {
        using TestImage image = MakeFiles("-b 1024 -m 0", 3, out uint[] inodes);
        image.WithKernel("echo 0 > /sys/fs/ext4/$(basename $(findmnt -no SOURCE $M))/reserved_clusters; dd if=/dev/zero of=$M/fill bs=1k status=none 2>/dev/null || true; dd if=/dev/zero of=$M/fill2 bs=1k status=none 2>/dev/null || true");
        using (Ext4Volume volume = image.Mount())
        {
            Assert.Equal(0ul, volume.GetStatistics().FreeBlocks);
            Inode inode = volume.GetInode(inodes[0]);
            volume.SetExtendedAttribute(inode, "user.small"u8, "v"u8, 0);
            Assert.Equal((int)Errno.ENOSPC, ErrorOf(() => volume.SetExtendedAttribute(inode, "user.big"u8, new byte[500], 0)));
            Assert.Equal((int)Errno.ENOSPC, ErrorOf(() => volume.SetExtendedAttribute(inode, "user.small"u8, new byte[500], 0)));
            Assert.Single(All(volume, inode));
            Assert.Equal(0ul, inode.FileAcl);
        }
        image.AssertClean();
    }

    [Fact]
    public void BuffersThatAreTooSmallSaySo()
    {
        using TestImage image = MakeFiles("-b 1024", 1, out uint[] inodes);
        using (Ext4Volume volume = image.Mount())
        {
            Inode inode = volume.GetInode(inodes[0]);
            volume.SetExtendedAttribute(inode, "user.a"u8, "12345"u8, 0);
            Assert.Equal(-1, volume.GetExtendedAttribute(inode, "user.b"u8, default));
            Assert.Equal((int)Errno.ERANGE, ErrorOf(() => volume.GetExtendedAttribute(inode, "user.a"u8, new byte[4])));
            Assert.Equal((int)Errno.ERANGE, ErrorOf(() => volume.ListExtendedAttributes(inode, new byte[6])));
            Assert.Equal((int)Errno.ENODATA, ErrorOf(() => volume.RemoveExtendedAttribute(inode, "user.b"u8)));
            Assert.Equal(0, ErrorOf(() => volume.RemoveExtendedAttribute(inode, "system.posix_acl_access"u8)));
        }
        image.AssertClean();
    }

    [Theory]
    [InlineData("-b 1024")]
    [InlineData("-b 1024 -I 128")]
    public void AclsMeanWhatTheyMeanInTheKernel(string mkfs)
    {
        int seed = Random.Shared.Next();
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
        var random = new Random(seed);
        using TestImage image = MakeFiles(mkfs, 2, out uint[] inodes);
        Array.Resize(ref inodes, 3);
        inodes[2] = uint.Parse(image.WithKernel("mkdir $M/f2; stat -c %i $M/f2"));
        using TestImage twin = image.Copy();
        using var kernel = new KernelAttributes(twin);
        using (Ext4Volume volume = image.Mount())
        {
            for (int step = 0; step < 400; step++)
            {
                int file = random.Next(3);
                Inode inode = volume.GetInode(inodes[file]);
                string path = $"f{file}";
                byte[] name = B(random.Next(3) == 0 ? "system.posix_acl_default" : "system.posix_acl_access");
                int here, theirs;
                switch (random.Next(4))
                {
                    case 0:
                        int mode = random.Next(0x1000);
                        here = ErrorOf(() => volume.SetAttributes(inode, new AttributeChanges { Mode = (ushort)mode }, Caller.Root));
                        theirs = kernel.SetMode(path, mode);
                        break;
                    case 1 when random.Next(3) == 0:
                        here = ErrorOf(() => volume.RemoveExtendedAttribute(inode, name));
                        theirs = kernel.Remove(path, name);
                        break;
                    default:
                        byte[] acl = MakeAcl(random);
                        here = ErrorOf(() => volume.SetExtendedAttribute(inode, name, acl, 0));
                        theirs = kernel.Set(path, name, acl, 0);
                        break;
                }
                Assert.True(here == theirs, $"step {step}: kernel {theirs}, here {here}");
                Assert.Equal(kernel.ModeOf(path), inode.Mode);
                AssertSame(kernel.All(path), All(volume, inode), $"step {step}");
            }
        }
        image.AssertClean();
    }

    [Fact]
    public void DefaultAclsAreInheritedAsInTheKernel()
    {
        int seed = Random.Shared.Next();
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
        var random = new Random(seed);
        Shell.RequireLoopMounts();
        using TestImage image = TestImage.Make(16, "-b 1024");
        const int count = 60;
        image.WithKernel($"cd $M; for i in $(seq 0 {count - 1}); do mkdir d$i; : > d$i/file; mkdir d$i/dir; done");
        using TestImage twin = image.Copy();
        using var kernel = new KernelAttributes(twin);
        string Id(string path) => Shell.Script($"stat -c %i {kernel.At(path)}").Trim();
        using (Ext4Volume volume = image.Mount())
        {
            for (int i = 0; i < count; i++)
            {
                Inode parent = volume.GetInode(uint.Parse(Id($"d{i}")));
                byte[] acl = MakeAcl(random);
                byte[] name = B("system.posix_acl_default");
                int error = ErrorOf(() => volume.SetExtendedAttribute(parent, name, acl, 0));
                foreach (string kind in new[] { "file", "dir" })
                {
                    string path = $"d{i}/{kind}";
                    Inode child = volume.GetInode(uint.Parse(Id(path)));
                    ushort mode = (ushort)random.Next(0x200);
                    Run(volume, child, handle =>
                    {
                        child.Mode = volume.Attributes.InheritAcl(handle, parent, child, (ushort)((child.Mode & InodeMode.TypeMask) | mode), 0x12);
                        volume.Inodes.Write(handle, child);
                    });
                    if (kind == "file")
                    {
                        File.Delete(kernel.At(path));
                        Assert.Equal(error, kernel.Set($"d{i}", name, acl, 0));
                        kernel.CreateFile(path, mode);
                    }
                    else
                    {
                        Directory.Delete(kernel.At(path));
                        kernel.CreateDirectory(path, mode);
                    }
                    AssertSame(kernel.All(path), All(volume, child), path);
                    // Without a default ACL the umask counts, which is the process's own for the kernel.
                    if (volume.Attributes.HasDefaultAcl(parent))
                    {
                        Assert.Equal(kernel.ModeOf(path), child.Mode);
                    }
                    else
                    {
                        Assert.Equal(mode & ~0x12, child.Mode & 0xFFF);
                    }
                }
            }
        }
        image.AssertClean();
    }

    [Theory]
    [InlineData("-b 1024")]
    [InlineData("-b 1024 -I 128")]
    public void NewInodesTakeTheirDirectorysDefaultAcl(string mkfs)
    {
        using TestImage image = TestImage.Make(16, mkfs);
        image.WithKernel("mkdir $M/d; setfacl -m d:u:1000:rwx,d:g:50:rx,d:o::r $M/d");
        using TestImage twin = image.Copy();
        using var kernel = new KernelAttributes(twin);
        using (Ext4Volume volume = image.Mount())
        {
            Inode root = volume.GetInode(Ext4Volume.RootInode);
            Inode directory = volume.Lookup(root, "d"u8)!;
            for (int i = 0; i < 20; i++)
            {
                byte[] file = B($"f{i}"), folder = B($"s{i}");
                ushort mode = (ushort)(i * 27 % 512);
                Inode made = volume.Create(directory, file, (ushort)(InodeMode.Regular | mode), 0, new Caller(0, 0, 0x3F));
                Inode sub = volume.CreateDirectory(directory, folder, mode, new Caller(0, 0, 0x3F));
                kernel.CreateFile($"d/f{i}", mode);
                kernel.CreateDirectory($"d/s{i}", mode);
                foreach ((string path, Inode inode) in new[] { ($"d/f{i}", made), ($"d/s{i}", sub) })
                {
                    Assert.Equal(kernel.ModeOf(path), inode.Mode);
                    AssertSame(kernel.All(path), All(volume, inode), path);
                }
                volume.Release(made);
                volume.Release(sub);
                if (i % 3 == 0)
                {
                    volume.Unlink(directory, file);
                    volume.RemoveDirectory(directory, folder);
                }
            }
            Inode link = volume.CreateSymlink(directory, "link"u8, "target"u8, Caller.Root);
            Assert.Empty(All(volume, link));
            Assert.Equal((int)Errno.EOPNOTSUPP, ErrorOf(() => volume.SetExtendedAttribute(link, "system.posix_acl_access"u8, MakeAcl(new Random(1)), 0)));
            volume.SetExtendedAttribute(link, "trusted.t"u8, new byte[300], 0);
            volume.Release(link);
        }
        image.AssertClean();
        image.WithKernel("rm -r $M/d");
        image.AssertClean();
    }

    private static byte[] MakeAcl(Random random)
    {
        int P() => random.Next(8);
        List<(int, int, uint)> entries = [(1, P(), 0)];
        int users = random.Next(4) == 0 ? random.Next(20) : random.Next(3);
        for (int i = 0; i < users; i++)
        {
            entries.Add((2, P(), (uint)random.Next(100000)));
        }
        entries.Add((4, P(), 0));
        if (random.Next(2) == 0)
        {
            entries.Add((8, P(), (uint)random.Next(100000)));
        }
        if (entries.Count > 2 || random.Next(3) == 0)
        {
            entries.Add((0x10, P(), 0));
        }
        entries.Add((0x20, P(), 0));
        if (random.Next(12) == 0)
        {
            entries.RemoveAt(random.Next(entries.Count));
        }
        if (random.Next(12) == 0)
        {
            entries[random.Next(entries.Count)] = (random.Next(40), random.Next(12), (uint)random.Next());
        }
        return random.Next(25) == 0 ? PosixAclTests.Wire() : PosixAclTests.Wire([.. entries]);
    }
}
