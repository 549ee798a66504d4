using System.Text.Json;

namespace WinLoop.Cli.Tests;

/// <summary><c>winloop resize</c> and <c>winloop trim</c>, on image files and on mounts.</summary>
public sealed class ResizeTests : IDisposable
{
    private const long MiB = 1 << 20;

    private readonly Workspace _work = new();

    public ResizeTests() => Shell.Require("mkfs.ext4", "e2fsck", "dumpe2fs");

    public void Dispose() => _work.Dispose();

    private static long VolumeSize(string image)
    {
        string text = Shell.Run("dumpe2fs", ["-h", image]).Output;
        long Value(string name) => long.Parse(text.Split('\n').First(l => l.StartsWith(name, StringComparison.Ordinal)).Split(':')[1]);
        return Value("Block count") * Value("Block size");
    }

    private static long Storage(string path) => long.Parse(Shell.Run("stat", ["-c", "%b", path]).Output) * 512;

    [Fact]
    public void Image_and_volume_grow()
    {
        string image = _work.MakeImage();
        JsonElement answer = WinLoopProgram.Json("resize", image, "100M");
        Assert.Equal(32 * MiB, answer.GetProperty("sizeBefore").GetInt64());
        Assert.Equal(100 * MiB, answer.GetProperty("size").GetInt64());
        Assert.Equal(100 * MiB, answer.GetProperty("fileSize").GetInt64());
        Assert.Equal(JsonValueKind.Null, answer.GetProperty("directory").ValueKind);
        Assert.Equal(100 * MiB, new FileInfo(image).Length);
        Assert.Equal(100 * MiB, VolumeSize(image));
        Workspace.AssertClean(image);
        Assert.Equal("", WinLoopProgram.Succeed("resize", image, "+28M"));
        Assert.Equal(128 * MiB, VolumeSize(image));
        Workspace.AssertClean(image);
    }

    [Fact]
    public void Without_a_size_the_volume_fills_the_file()
    {
        string image = _work.MakeImage();
        using (FileStream file = File.OpenWrite(image))
        {
            file.SetLength(80 * MiB);
        }
        Assert.Equal(80 * MiB, WinLoopProgram.Json("resize", image).GetProperty("size").GetInt64());
        Assert.Equal(80 * MiB, VolumeSize(image));
        Workspace.AssertClean(image);
    }

    [Fact]
    public void What_cannot_be_is_refused_and_changes_nothing()
    {
        string image = _work.MakeImage(), hash = Workspace.HashOf(image);
        WinLoopProgram.Fail(2, "is not a size", "resize", image, "much");
        WinLoopProgram.Fail(2, "is not a size", "resize", image, "+");
        WinLoopProgram.Fail(3, "no such file", "resize", _work["none"], "1G");
        WinLoopProgram.Fail(3, "not mounted", "resize", _work.MakeDirectory(), "1G");
        WinLoopProgram.Fail(5, "reserved for its group descriptors", "resize", image, "1000T");
        Assert.Equal(hash, Workspace.HashOf(image));
    }

    private string MakeDisk(string script, int startMiB)
    {
        Shell.Require("sfdisk");
        string part = _work.MakeImage("part.ext4"), disk = _work["disk.img"];
        Shell.Script($"truncate -s 64M {disk}; printf '{script}' | sfdisk -q {disk}; dd if={part} of={disk} bs=1M seek={startMiB} conv=notrunc status=none");
        return disk;
    }

    private void AssertPartition(string disk, int startMiB, long least, long most)
    {
        string part = _work["copy.ext4"];
        Shell.Result listed = Shell.Run("sfdisk", ["--verify", disk]);
        Assert.True(listed.ExitCode == 0 && !listed.All.Contains("corrupt", StringComparison.OrdinalIgnoreCase) && !listed.All.Contains("mismatch", StringComparison.OrdinalIgnoreCase), listed.All);
        Shell.Script($"dd if={disk} of={part} bs=1M skip={startMiB} conv=sparse status=none");
        Assert.InRange(VolumeSize(part), least, most);
        Workspace.AssertClean(part);
    }

    // Like a Raspberry Pi's: a FAT, and the root behind it; and the same with a GPT.
    [Theory]
    [InlineData("label: dos\\n2048,20480,c\\n22528,,83\\n", 11, 0), InlineData("label: gpt\\n2048,20480,U\\n22528,,L\\n", 11, 33 * 512)]
    public void Last_partition_grows_with_the_image(string script, int startMiB, int tail)
    {
        string disk = MakeDisk(script, startMiB);
        JsonElement answer = WinLoopProgram.Json("resize", disk, "200M");
        long volume = ((200 - startMiB) * MiB - tail) / 4096 * 4096;
        Assert.Equal((32 * MiB, volume, 200 * MiB), (answer.GetProperty("sizeBefore").GetInt64(), answer.GetProperty("size").GetInt64(), answer.GetProperty("fileSize").GetInt64()));
        Assert.Equal(200 * MiB, new FileInfo(disk).Length);
        AssertPartition(disk, startMiB, volume, volume);

        // Made longer by somebody else: the table's backup is not at the end then.
        Shell.Script($"truncate -s 300M {disk}");
        volume = WinLoopProgram.Json("resize", disk).GetProperty("size").GetInt64();
        Assert.InRange(volume, ((300 - startMiB) * MiB) - (64 << 10), (300 - startMiB) * MiB);
        AssertPartition(disk, startMiB, volume, volume);
        Assert.Equal("", WinLoopProgram.Succeed("resize", disk, "+56M"));
        Assert.Equal(356 * MiB, new FileInfo(disk).Length);
        AssertPartition(disk, startMiB, ((356 - startMiB) * MiB) - (64 << 10), (356 - startMiB) * MiB);
    }

    [Theory]
    [InlineData("label: dos\\n2048,20480,c\\n22528,,83\\n", 11), InlineData("label: gpt\\n2048,20480,U\\n22528,,L\\n", 11)]
    public void Last_partition_grows_in_use(string script, int startMiB)
    {
        WinLoopProgram.RequireMounts();
        string disk = MakeDisk(script, startMiB), directory = _work.Mount(disk);
        File.WriteAllBytes(Path.Combine(directory, "before"), new byte[20 * MiB]);
        JsonElement answer = WinLoopProgram.Json("resize", directory, "300M");
        long volume = answer.GetProperty("size").GetInt64();
        Assert.InRange(volume, ((300 - startMiB) * MiB) - (64 << 10), (300 - startMiB) * MiB);
        // The volume says how much it needs, and that is whole blocks.
        Assert.InRange(new FileInfo(disk).Length, (300 * MiB) - 4096, 300 * MiB);
        Assert.Equal((32 * MiB, new FileInfo(disk).Length), (answer.GetProperty("sizeBefore").GetInt64(), answer.GetProperty("fileSize").GetInt64()));
        File.WriteAllBytes(Path.Combine(directory, "after"), new byte[200 * MiB]);
        WinLoopProgram.Fail(5, "only what is not mounted is made smaller", "resize", directory, "40M");
        WinLoopProgram.Succeed("unmount", directory);
        AssertPartition(disk, startMiB, volume, volume);
    }

    [Fact]
    public void What_the_table_cannot_say_is_refused()
    {
        string disk = MakeDisk("label: dos\\n2048,,83\\n", 1), hash = Workspace.HashOf(disk);
        WinLoopProgram.Fail(5, "as far as a partition table in an MBR can count", "resize", disk, "3T");
        disk = MakeDisk("label: dos\\n2048,81920,83\\n83968,20480,c\\n", 1);
        hash = Workspace.HashOf(disk);
        WinLoopProgram.Fail(5, "not the last one", "resize", disk, "128M");
        WinLoopProgram.Fail(5, "not the last one", "resize", disk);
        Assert.Equal(hash, Workspace.HashOf(disk));
    }

    [Fact]
    public void Mounted_volume_grows_in_use()
    {
        WinLoopProgram.RequireMounts();
        string image = _work.MakeImage(), directory = _work.Mount(image);
        byte[] content = new byte[20 * MiB];
        Random.Shared.NextBytes(content);
        File.WriteAllBytes(Path.Combine(directory, "before"), content);
        Assert.Throws<IOException>(() => File.WriteAllBytes(Path.Combine(directory, "too-much"), new byte[40 * MiB]));
        File.Delete(Path.Combine(directory, "too-much"));

        JsonElement answer = WinLoopProgram.Json("resize", directory, "300M");
        Assert.Equal(300 * MiB, answer.GetProperty("size").GetInt64());
        Assert.Equal(directory, answer.GetProperty("directory").GetString());
        File.WriteAllBytes(Path.Combine(directory, "after"), new byte[200 * MiB]);
        Assert.True(new DriveInfo(directory).TotalSize > 250 * MiB);
        WinLoopProgram.Succeed("resize", image, "310M"); // the image names the mount, too

        WinLoopProgram.Fail(5, "less than the volume has", "resize", directory, "20M");
        WinLoopProgram.Fail(5, "reserved for its group descriptors", "resize", directory, "1000T");
        Assert.Equal(content, File.ReadAllBytes(Path.Combine(directory, "before")));
        WinLoopProgram.Succeed("unmount", directory);
        Assert.Equal(310 * MiB, VolumeSize(image));
        Workspace.AssertClean(image);
    }

    [Fact]
    public void Trim_gives_storage_back()
    {
        WinLoopProgram.RequireMounts();
        string image = _work.MakeImage(size: "100M"), directory = _work.Mount(image);
        byte[] content = new byte[60 * MiB];
        Random.Shared.NextBytes(content);
        string file = Path.Combine(directory, "file");
        foreach (string[] trim in (string[][])[["winloop", "trim", directory], ["fstrim", directory]])
        {
            File.WriteAllBytes(file, content);
            Shell.Script($"sync -f {directory}");
            Assert.True(Storage(image) > 60 * MiB, $"{Storage(image)} bytes");
            File.Delete(file);
            if (trim[0] == "winloop")
            {
                Assert.InRange(WinLoopProgram.Json(trim[1..]).GetProperty("bytes").GetInt64(), 60 * MiB, 100 * MiB);
            }
            else
            {
                Shell.Require("fstrim");
                Shell.Script(string.Join(' ', trim));
            }
            Assert.True(Storage(image) < 20 * MiB, $"{Storage(image)} bytes");
        }
        File.WriteAllBytes(file, content);
        File.WriteAllText(Path.Combine(directory, "kept"), "kept");
        File.Delete(file);
        WinLoopProgram.Succeed("unmount", directory);
        Assert.True(Storage(image) > 60 * MiB, $"{Storage(image)} bytes");
        Assert.InRange(WinLoopProgram.Json("trim", image).GetProperty("bytes").GetInt64(), 60 * MiB, 100 * MiB);
        Assert.True(Storage(image) < 20 * MiB, $"{Storage(image)} bytes");
        Workspace.AssertClean(image);
        Assert.Equal("kept", WinLoopProgram.Succeed("cat", image + ":/kept"));
        WinLoopProgram.Fail(3, "no such file", "trim", _work["none"]);
    }
}
