using WinLoop.TestKit;

namespace WinLoop.DiscUtils.Tests;

/// <summary>Damaged volumes: only the documented exceptions leave the file system, and every walk ends.</summary>
public sealed class DamageTests
{
    private const int Images = 150;

    [Theory]
    [InlineData("-O ^metadata_csum", true)]
    [InlineData("-O ^metadata_csum,^has_journal", false)]
    public void OnlyDocumentedExceptionsLeave(string mkfs, bool isWritable)
    {
        int seed = Random.Shared.Next();
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
        using TestImage image = TestImage.Make(8, "-b 1024 -N 256 " + mkfs);
        using (Ext4FileSystem fs = Opened.Open(image))
        {
            for (int i = 0; i < 60; i++)
            {
                fs.CreateDirectory($@"d{i % 7}\e");
                fs.Put($@"d{i % 7}\file-with-a-long-name-{i}", new byte[i * 300]);
            }
            fs.WithRoot((volume, root) => volume.Release(volume.CreateSymlink(root, "link"u8, "d1/e"u8, Ext4.Caller.Root)));
        }
        byte[] sound = File.ReadAllBytes(image.Path);
        int opened = 0, failed = 0;
        for (int i = 0; i < Images; i++)
        {
            var random = new Random(unchecked(seed + i));
            byte[] damaged = (byte[])sound.Clone();
            for (int hits = 1 + random.Next(30); hits > 0; hits--)
            {
                // Superblock, descriptors, bitmaps, inodes and the first directories are at the beginning.
                damaged[1024 + random.Next(300_000)] = random.Next(3) == 0 ? (byte)0xFF : (byte)random.Next(256);
            }
            try
            {
                using var fs = new Ext4FileSystem(new MemoryStream(damaged), new Ext4FileSystemOptions { IsReadOnly = !isWritable });
                opened++;
                failed += Walk(fs, isWritable);
            }
            catch (Exception e) when (e is IOException)
            {
                failed++;
            }
            catch (Exception e) when (e is not UnauthorizedAccessException)
            {
                Assert.Fail($"seed {seed}, image {i}: {e}");
            }
        }
        TestContext.Current.TestOutputHelper!.WriteLine($"{opened} of {Images} opened, {failed} failures told");
        Assert.True(opened > Images / 10 && failed > 0, $"{opened} opened, {failed} failures: the damage does not hit");
    }

    private static int Walk(Ext4FileSystem fs, bool isWritable)
    {
        int failed = 0;
        var directories = new Queue<string>([""]);
        byte[] buffer = new byte[1 << 16];
        // A directory that contains itself has paths without end.
        for (int visited = 0; visited < 200 && directories.TryDequeue(out string? directory); visited++)
        {
            failed += Try(() =>
            {
                foreach (string path in fs.GetFileSystemEntries(directory))
                {
                    failed += Try(() => fs.GetUnixFileInfo(path)) + Try(() => fs.GetAttributes(path)) + Try(() => fs.GetLastWriteTimeUtc(path)) +
                        Try(() => fs.GetCreationTimeUtc(path));
                    failed += Try(() =>
                    {
                        if (fs.DirectoryExists(path))
                        {
                            directories.Enqueue(path);
                            return;
                        }
                        using var stream = fs.OpenFile(path, FileMode.Open, FileAccess.Read);
                        _ = stream.Extents.Take(1000).Count();
                        for (int reads = 0; reads < 20 && stream.Read(buffer) > 0; reads++)
                        {
                        }
                    });
                }
            });
        }
        if (isWritable)
        {
            failed += Try(() => fs.Put("new", new byte[5000])) + Try(() => fs.DeleteFile(@"d1\file-with-a-long-name-1")) +
                Try(() => fs.MoveDirectory("d2", @"d3\d2")) + Try(() => fs.CopyFile(@"d4\file-with-a-long-name-4", "copy")) +
                Try(() => fs.DeleteDirectory("d5", recursive: true)) + Try(fs.Flush);
        }
        _ = fs.Size + fs.UsedSpace + fs.AvailableSpace;
        _ = fs.VolumeLabel + fs.VolumeId;
        return failed;
    }

    private static int Try(Action action)
    {
        try
        {
            action();
            return 0;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return 1;
        }
    }
}
