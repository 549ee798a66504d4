using System.Diagnostics;
using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Directories;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;

namespace WinLoop.Ext4.Tests.Directories;

/// <summary>Random damage in directory blocks: nothing but <see cref="Ext4CorruptException"/> comes out, and soon.</summary>
/// <remarks>WINLOOP_FUZZ_ROUNDS and WINLOOP_FUZZ_SEED run more, or one again.</remarks>
public class DirectoryFuzzTests(ITestOutputHelper output)
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(20);
    private static readonly byte[][] s_interesting =
        [[0], [0xFF], [0x7F], [0x80], [1], [4], [8], [12], [0xFC, 0xFF], [0xFF, 0xFF], [0, 4], [0xF4, 3], [0, 0, 0, 0], [0xFF, 0xFF, 0xFF, 0xFF], [2, 0, 0, 0]];

    private static int Rounds(int usual) =>
        int.TryParse(Environment.GetEnvironmentVariable("WINLOOP_FUZZ_ROUNDS"), out int rounds) ? rounds : usual;

    private int Seed()
    {
        int seed = int.TryParse(Environment.GetEnvironmentVariable("WINLOOP_FUZZ_SEED"), out int given) ? given : Environment.TickCount;
        output.WriteLine($"seed {seed}");
        return seed;
    }

    [Theory]
    [InlineData("-b 1024 -O ^metadata_csum,^has_journal")]
    [InlineData("-b 1024 -O ^has_journal")]
    [InlineData("-b 1024 -O ^has_journal,^dir_index")]
    public void Readers_of_damaged_directories_end(string options)
    {
        int seed = Seed();
        var fixture = new DirectoryFixture(options);
        using Ext4Volume volume = fixture.Mount(isReadOnly: true);
        for (int round = 0; round < Rounds(1500); round++)
        {
            var random = new Random(unchecked(seed + round));
            DirectoryFixture.Shape shape = fixture.Shapes[random.Next(fixture.Shapes.Length)];
            Inode directory = DirectoryFixture.Open(volume, shape.Name);
            List<(MetadataBuffer Buffer, byte[] Content)> damaged = Damage(volume, directory, random);
            var clock = Stopwatch.StartNew();
            try
            {
                for (int i = 0; i < 3; i++)
                {
                    string name = shape.Names[random.Next(shape.Names.Length)];
                    Survive(round, () => volume.Directories.TryFind(directory, Names.Bytes(name), out _));
                }
                Survive(round, () => volume.Directories.TryFind(directory, "not there"u8, out _));
                Survive(round, () => volume.Directories.TryFind(directory, ".."u8, out _));
                Survive(round, () => volume.Directories.IsEmpty(directory));
                Survive(round, () => volume.Directories.GetParent(directory));
                Survive(round, () => ListAll(volume, directory, 0, int.MaxValue));
                Survive(round, () => ListAll(volume, directory, 0, 20));
                Survive(round, () => ListAll(volume, directory, unchecked((ulong)random.NextInt64()), 20));
                Survive(round, () => ListAll(volume, directory, (ulong)random.Next(1 << 18), 20));
            }
            finally
            {
                foreach ((MetadataBuffer buffer, byte[] content) in damaged)
                {
                    content.CopyTo(buffer.Data);
                    buffer.Dispose();
                }
            }
            Assert.True(clock.Elapsed < s_limit, $"round {round} took {clock.Elapsed}");
            volume.Release(directory);
        }
    }

    [Theory]
    [InlineData("-b 1024 -O ^metadata_csum,^has_journal")]
    [InlineData("-b 1024")]
    [InlineData("-b 1024 -O ^dir_index,^has_journal")]
    public void Writers_in_damaged_directories_end(string options)
    {
        int seed = Seed();
        var fixture = new DirectoryFixture(options);
        for (int round = 0; round < Rounds(100); round++)
        {
            var random = new Random(unchecked(seed + round));
            DirectoryFixture.Shape shape = fixture.Shapes[random.Next(fixture.Shapes.Length)];
            Ext4Volume volume = fixture.Mount();
            Inode directory = DirectoryFixture.Open(volume, shape.Name);
            foreach ((MetadataBuffer buffer, _) in Damage(volume, directory, random))
            {
                buffer.Dispose();
            }
            var clock = Stopwatch.StartNew();
            for (int i = 0; i < 60; i++)
            {
                string name = shape.Names[random.Next(shape.Names.Length)];
                int what = random.Next(8);
                Survive(round, () =>
                {
                    using Handle handle = volume.Journal.Start(DirectoryStore.AddCredits);
                    switch (what)
                    {
                        case 0 or 1:
                            volume.Directories.Remove(handle, directory, Names.Bytes(name));
                            break;
                        case 2:
                            volume.Directories.Replace(handle, directory, Names.Bytes(name), fixture.FileInode, DirectoryEntryType.Regular);
                            break;
                        case 3:
                            volume.Directories.SetParent(handle, directory, Ext4Volume.RootInode);
                            break;
                        default:
                            volume.Directories.Add(handle, directory, Names.Bytes($"{random.Next()}".PadRight(random.Next(10, 255), 'y')), fixture.FileInode, DirectoryEntryType.Regular);
                            break;
                    }
                });
            }
            // What was changed is fit for the log: checksums can be computed of every block.
            volume.Journal.Commit(volume.Journal.RunningTid);
            volume.Release(directory);
            volume.Dispose();
            Assert.True(clock.Elapsed < s_limit, $"round {round} took {clock.Elapsed}");
        }
    }

    private static List<(MetadataBuffer, byte[])> Damage(Ext4Volume volume, Inode directory, Random random)
    {
        uint count = (uint)(directory.Size / volume.Geometry.BlockSize);
        var damaged = new List<(MetadataBuffer, byte[])>();
        var chosen = new HashSet<uint>();
        for (int blocks = random.Next(1, 4); blocks > 0; blocks--)
        {
            // The root and the first nodes more often than the rest.
            uint logical = random.Next(2) == 0 ? 0 : (uint)random.Next((int)count);
            if (!chosen.Add(logical))
            {
                continue;
            }
            MetadataBuffer buffer = DirectoryFixture.Block(volume, directory, logical);
            byte[] before = buffer.Data.ToArray();
            damaged.Insert(0, (buffer, before));
            for (int changes = random.Next(1, 6); changes > 0; changes--)
            {
                int at = random.Next(3) == 0 ? random.Next(64) : random.Next(buffer.Data.Length);
                byte[] bytes = s_interesting[random.Next(s_interesting.Length)];
                switch (random.Next(4))
                {
                    case 0:
                        buffer.Data[at] ^= (byte)(1 << random.Next(8));
                        break;
                    case 1:
                        buffer.Data[at] = (byte)random.Next(256);
                        break;
                    case 2:
                        at = Math.Min(at & ~3, buffer.Data.Length - 4);
                        bytes.CopyTo(buffer.Data[at..]);
                        break;
                    default:
                        if (random.Next(10) == 0)
                        {
                            random.NextBytes(buffer.Data.Slice(Math.Min(at, buffer.Data.Length - 64), 64));
                        }
                        break;
                }
            }
        }
        return damaged;
    }

    // Repeated positions and endless listings fail here.
    private static void ListAll(Ext4Volume volume, Inode directory, ulong position, int step)
    {
        for (int calls = 0; ; calls++)
        {
            Assert.True(calls < 20_000, "the listing does not end");
            int taken = 0;
            ulong before = position;
            volume.Directories.List(directory, position, (_, _, _, next) =>
            {
                if (taken == step)
                {
                    return false;
                }
                taken++;
                Assert.True(next >= before);
                position = next;
                return true;
            });
            if (taken == 0 || step == int.MaxValue)
            {
                return;
            }
            Assert.True(position > before, "the listing stands still");
        }
    }

    private static void Survive(int round, Action action)
    {
        try
        {
            action();
        }
        catch (Ext4CorruptException)
        {
        }
        catch (Ext4Exception e) when (e.Errno == Errno.ENOSPC)
        {
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"round {round}: {e.Message}", e);
        }
    }
}
