using System.Text.Json;

namespace WinLoop.Cli.Tests;

/// <summary>Mounts with an overlay, through FUSE: the image never changes by a byte until a commit.</summary>
public sealed class OverlayTests : IDisposable
{
    private readonly Workspace _work = new();

    public OverlayTests() => WinLoopProgram.RequireMounts();

    public void Dispose() => _work.Dispose();

    [Fact]
    public void Writes_go_into_the_file_and_are_there_at_the_next_mount_and_after_the_commit()
    {
        string image = _work.MakeImage(), overlay = _work["x.overlay"], before = Workspace.HashOf(image);
        for (int mount = 0; mount < 3; mount++)
        {
            string directory = _work.Mount(image, "--overlay", overlay);
            Assert.Equal(mount, Directory.GetFiles(directory).Length);
            File.WriteAllBytes(Path.Combine(directory, $"f{mount}"), Content(mount));
            WinLoopProgram.Succeed("unmount", directory);
            Assert.Equal(before, Workspace.HashOf(image));
        }

        // Read-only: what is in the overlay is seen, and the overlay does not change either.
        string overlayHash = Workspace.HashOf(overlay), seen = _work.Mount(image, "-r", "--overlay", overlay);
        Assert.Equal(Content(2), File.ReadAllBytes(Path.Combine(seen, "f2")));
        Assert.Throws<IOException>(() => File.WriteAllText(Path.Combine(seen, "no"), ""));
        WinLoopProgram.Fail(6, "in use", "overlay", "commit", overlay, image);
        WinLoopProgram.Fail(6, "in use", "overlay", "discard", overlay);
        WinLoopProgram.Succeed("unmount", seen);
        Assert.Equal((before, overlayHash), (Workspace.HashOf(image), Workspace.HashOf(overlay)));

        Assert.Equal("active", WinLoopProgram.Json("overlay", "info", overlay).GetProperty("state").GetString());
        JsonElement commit = WinLoopProgram.Json("overlay", "commit", overlay, image);
        Assert.True(commit.GetProperty("bytes").GetInt64() > 3 * 100_000);
        Assert.False(commit.GetProperty("wasCommitted").GetBoolean());
        Workspace.AssertClean(image);
        string committed = Workspace.HashOf(image);
        Assert.True(WinLoopProgram.Json("overlay", "commit", overlay, image).GetProperty("wasCommitted").GetBoolean());
        Assert.Equal(committed, Workspace.HashOf(image));
        WinLoopProgram.Fail(1, "it is committed", "mount", image, _work["d"], "--overlay", overlay);
        string plain = _work.Mount(image, "-r");
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(Content(i), File.ReadAllBytes(Path.Combine(plain, $"f{i}")));
        }

        WinLoopProgram.Succeed("unmount", plain);
        WinLoopProgram.Succeed("overlay", "discard", overlay);
        Assert.False(File.Exists(overlay));
    }

    [Fact]
    public void Memory_is_thrown_away_and_is_full_at_its_limit()
    {
        string image = _work.MakeImage(), before = Workspace.HashOf(image);
        string directory = _work.Mount(image, "--overlay", "memory", "--overlay-limit", "8M");
        File.WriteAllBytes(Path.Combine(directory, "small"), Content(1));
        IOException full = Assert.Throws<IOException>(() => File.WriteAllBytes(Path.Combine(directory, "big"), new byte[16 << 20].Select((_, i) => (byte)i).ToArray()));
        Assert.Contains("space", full.Message, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(Content(1), File.ReadAllBytes(Path.Combine(directory, "small")));
        File.Delete(Path.Combine(directory, "big")); // the file system still works
        Directory.CreateDirectory(Path.Combine(directory, "later"));
        WinLoopProgram.Succeed("unmount", directory);
        Assert.Equal(before, Workspace.HashOf(image));
        string again = _work.Mount(image, "-r");
        Assert.False(File.Exists(Path.Combine(again, "small")));
    }

    [Fact]
    public void A_dirty_journal_is_replayed_into_the_overlay()
    {
        string image = _work.MakeImage();
        string kernel = _work.MakeDirectory("k");
        // The kernel's own dirty journal: a copy of a mounted image after sync.
        Shell.Script($"mount -o loop {image} {kernel}; trap 'umount {kernel}' EXIT; echo kept > {kernel}/f; sync -f {kernel}; cp {image} {_work["dirty"]}");
        string before = Workspace.HashOf(_work["dirty"]);
        Assert.Contains("needs_recovery", Shell.Run("dumpe2fs", ["-h", _work["dirty"]]).Output, StringComparison.Ordinal);
        string directory = _work.Mount(_work["dirty"], "--overlay", _work["x.overlay"]);
        Assert.Equal("kept\n", File.ReadAllText(Path.Combine(directory, "f")));
        WinLoopProgram.Succeed("unmount", directory);
        Assert.Equal(before, Workspace.HashOf(_work["dirty"]));
        WinLoopProgram.Succeed("overlay", "commit", _work["x.overlay"], _work["dirty"]);
        Workspace.AssertClean(_work["dirty"]);
    }

    [Fact]
    public void A_partition_is_found_and_a_changed_image_refused_by_name()
    {
        Shell.Require("sfdisk");
        string part = _work.MakeImage("part", "16M"), image = _work["disk"];
        Shell.Script($"truncate -s 20M {image}; echo '2048,,L' | sfdisk -q {image}; dd if={part} of={image} bs=1M seek=1 conv=notrunc status=none");
        string before = Workspace.HashOf(image), overlay = _work["x.overlay"];
        string directory = _work.Mount(image, "--overlay", overlay);
        File.WriteAllText(Path.Combine(directory, "f"), "x");
        WinLoopProgram.Succeed("unmount", directory);
        Assert.Equal(before, Workspace.HashOf(image));
        File.SetLastWriteTimeUtc(image, DateTime.UtcNow.AddDays(-1));
        WinLoopProgram.Fail(1, "last modified", "mount", image, _work["d"], "--overlay", overlay);
        WinLoopProgram.Fail(1, "last modified", "overlay", "commit", overlay, image);
        Shell.Script($"truncate -s 21M {image}");
        WinLoopProgram.Fail(1, "its size was", "mount", image, _work["d"], "--overlay", overlay);
    }

    [Fact]
    public void Verify_tells_both_hashes_and_fails_if_they_differ()
    {
        string image = _work.MakeImage(), hash = Workspace.HashOf(image).ToLowerInvariant();
        string directory = _work.MakeDirectory();
        Assert.Equal(hash, WinLoopProgram.Json("mount", image, directory, "--overlay", "memory", "--verify").GetProperty("sha256").GetString());
        File.WriteAllText(Path.Combine(directory, "f"), "x");
        JsonElement verify = WinLoopProgram.Json("unmount", directory).GetProperty("verify");
        Assert.Equal((hash, hash, true), (verify.GetProperty("before").GetString(), verify.GetProperty("after").GetString(), verify.GetProperty("unchanged").GetBoolean()));

        _work.Mount(image, "-r", "--verify");
        using (FileStream file = new(image, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
        {
            file.Position = file.Length - 1;
            file.WriteByte(7); // somebody who does not ask for locks
        }

        Shell.Result changed = WinLoopProgram.Run("unmount", directory);
        Assert.Equal(1, changed.ExitCode);
        Assert.Contains("has changed while it was mounted", changed.Error, StringComparison.Ordinal);
        Assert.Contains(hash, changed.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Wrong_combinations_and_files_are_refused_and_nothing_is_left()
    {
        string image = _work.MakeImage(), d = _work.MakeDirectory(), hash = Workspace.HashOf(image);
        File.WriteAllBytes(_work["noise"], Content(3));
        WinLoopProgram.Fail(2, "--verify is for", "mount", image, d, "--verify");
        WinLoopProgram.Fail(2, "--overlay-limit is for", "mount", image, d, "--overlay", _work["o"], "--overlay-limit", "1G");
        WinLoopProgram.Fail(2, "not a size", "mount", image, d, "--overlay", "memory", "--overlay-limit", "1M");
        WinLoopProgram.Fail(2, "no writes", "mount", image, d, "-r", "--overlay", "memory");
        WinLoopProgram.Fail(2, "the image itself", "mount", image, d, "--overlay", image);
        WinLoopProgram.Fail(2, "directory", "mount", image, d, "--overlay", d);
        WinLoopProgram.Fail(2, "past the end", "mount", image, d, "--overlay", _work["o"], "--offset", "1G");
        WinLoopProgram.Fail(3, "no", "mount", image, d, "-r", "--overlay", _work["o"]);
        WinLoopProgram.Fail(5, "not an overlay file", "mount", image, d, "--overlay", _work["noise"]);
        WinLoopProgram.Fail(5, "not an ext2", "mount", _work["noise"], d, "--overlay", _work["o"]);
        WinLoopProgram.Fail(5, "not an overlay file", "overlay", "discard", _work["noise"]);
        WinLoopProgram.Fail(5, "not an overlay file", "overlay", "commit", _work["noise"], image);
        WinLoopProgram.Fail(5, "not an overlay file", "overlay", "info", image);
        WinLoopProgram.Fail(3, "no", "overlay", "info", _work["none"]);
        Assert.False(File.Exists(_work["o"]));
        Assert.Equal(hash, Workspace.HashOf(image));
    }

    [Fact]
    public void Over_a_container_memory_works_and_a_file_is_refused_by_name()
    {
        Shell.Require("qemu-img");
        string raw = _work.MakeImage(), image = _work["x.vhdx"];
        Shell.Script($"qemu-img convert -O vhdx {raw} {image}");
        string hash = Workspace.HashOf(image);
        WinLoopProgram.Fail(5, "VHDX", "mount", image, _work.MakeDirectory(), "--overlay", _work["o"]);
        Assert.False(File.Exists(_work["o"]));
        string directory = _work.Mount(image, "--overlay", "memory", "--verify");
        File.WriteAllBytes(Path.Combine(directory, "f"), Content(1));
        Assert.Equal(Content(1), File.ReadAllBytes(Path.Combine(directory, "f")));
        WinLoopProgram.Succeed("unmount", directory);
        Assert.Equal(hash, Workspace.HashOf(image));
    }

    private static byte[] Content(int seed)
    {
        byte[] content = new byte[100_000 + (seed * 1000)];
        new Random(seed).NextBytes(content);
        return content;
    }
}
