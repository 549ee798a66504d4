using System.Text.Json;

namespace WinLoop.Cli.Tests;

public sealed class InfoTests : IDisposable
{
    private readonly Workspace _work = new();

    public InfoTests() => Shell.Require("mkfs.ext4", "dumpe2fs");

    public void Dispose() => _work.Dispose();

    // Three partitions: FAT, ext4, and a second ext4 if asked for.
    private string MakeDisk(string label, bool second = false)
    {
        Shell.Require("sfdisk");
        string disk = _work["disk.img"];
        string type = label == "gpt" ? "L" : "83";
        Shell.Script($"""
            truncate -s 64M {disk}
            printf 'label: {label}\nstart=2048,size=16384,type={(label == "gpt" ? "U" : "c")}\nstart=18432,size=65536,type={type}\nsize=32768,type={type}\n' | sfdisk -q {disk}
            truncate -s 32M {_work["p"]}
            mkfs.ext4 -q -F -L rootfs {_work["p"]}
            dd if={_work["p"]} of={disk} bs=512 seek=18432 conv=notrunc,sparse status=none
            """);
        if (second)
        {
            Shell.Script($"start=$(sfdisk -d {disk} | sed -n 's/.*img3 : start= *\\([0-9]*\\).*/\\1/p'); mkfs.ext4 -q -F -E offset=$((start*512)) {disk} 8M");
        }
        return disk;
    }

    [Fact]
    public void The_superblock_is_told_as_dumpe2fs_tells_it()
    {
        string image = _work.MakeImage(options: "-L data");
        string hash = Workspace.HashOf(image);
        JsonElement answer = WinLoopProgram.Json("info", image);
        Dictionary<string, string> expected = Shell.Script($"dumpe2fs -h {image} 2>/dev/null").Split('\n')
            .Select(line => line.Split(':', 2)).Where(p => p.Length == 2).GroupBy(p => p[0]).ToDictionary(g => g.Key, g => g.First()[1].Trim());
        JsonElement volume = answer.GetProperty("volume");
        Assert.Equal(image, answer.GetProperty("image").GetString());
        Assert.Equal(32 << 20, answer.GetProperty("size").GetInt64());
        Assert.Equal(JsonValueKind.Null, answer.GetProperty("partitionTable").ValueKind);
        Assert.Equal("ext4", volume.GetProperty("type").GetString());
        Assert.Equal("data", volume.GetProperty("label").GetString());
        Assert.Equal(expected["Filesystem UUID"], volume.GetProperty("uuid").GetString());
        Assert.Equal(expected["Block count"], volume.GetProperty("blocks").ToString());
        Assert.Equal(expected["Block size"], volume.GetProperty("blockSize").ToString());
        Assert.Equal(expected["Inode count"], volume.GetProperty("inodes").ToString());
        Assert.Equal(expected["Free inodes"], volume.GetProperty("freeInodes").ToString());
        Assert.Equal(expected["Inode size"], volume.GetProperty("inodeSize").ToString());
        Assert.Equal(long.Parse(expected["Free blocks"]) * long.Parse(expected["Block size"]), volume.GetProperty("free").GetInt64());
        Assert.Equal(expected["Filesystem features"], string.Join(' ', volume.GetProperty("features").EnumerateArray().Select(f => f.GetProperty("name").GetString())));
        Assert.All(volume.GetProperty("features").EnumerateArray(), f => Assert.Equal("read-write", f.GetProperty("support").GetString()));
        Assert.Equal("clean", volume.GetProperty("state").GetString());
        Assert.Equal("read-write", answer.GetProperty("mountable").GetString());
        Assert.Equal(JsonValueKind.Null, answer.GetProperty("reason").ValueKind);
        Assert.EndsWith("can be mounted read-write\n", WinLoopProgram.Succeed("info", image), StringComparison.Ordinal);
        Assert.Equal(hash, Workspace.HashOf(image));
    }

    [Theory]
    [InlineData("gpt")]
    [InlineData("dos")]
    public void Partitions_are_listed_and_the_only_ext_one_is_taken(string label)
    {
        JsonElement answer = WinLoopProgram.Json("info", MakeDisk(label));
        Assert.Equal(label == "gpt" ? "gpt" : "mbr", answer.GetProperty("partitionTable").GetString());
        Assert.Equal(3, answer.GetProperty("partitions").GetArrayLength());
        JsonElement second = answer.GetProperty("partitions")[1];
        Assert.Equal(2, second.GetProperty("number").GetInt32());
        Assert.Equal(18432 * 512, second.GetProperty("start").GetInt64());
        Assert.Equal(65536 * 512, second.GetProperty("size").GetInt64());
        Assert.Equal("ext", second.GetProperty("fileSystem").GetString());
        Assert.Equal(2, answer.GetProperty("volume").GetProperty("partition").GetInt32());
        Assert.Equal("rootfs", answer.GetProperty("volume").GetProperty("label").GetString());
        string text = WinLoopProgram.Succeed("info", _work["disk.img"]);
        Assert.Contains("NUMBER", text, StringComparison.Ordinal);
        Assert.EndsWith("can be mounted read-write\n", text, StringComparison.Ordinal);
        WinLoopProgram.Fail(3, "no partition 9", "info", _work["disk.img"], "-p", "9");
        Assert.EndsWith("cannot be mounted: there is no ext file system in partition 1\n", WinLoopProgram.Succeed("info", _work["disk.img"], "-p", "1"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_disk_image_is_mounted_with_one_command()
    {
        WinLoopProgram.RequireMounts();
        string disk = MakeDisk("gpt");
        string directory = _work.Mount(disk);
        File.WriteAllText(Path.Combine(directory, "file"), "content");
        WinLoopProgram.Succeed("unmount", directory);
        Shell.Script($"dd if={disk} of={_work["p"]} bs=512 skip=18432 count=65536 status=none");
        Workspace.AssertClean(_work["p"]);
        Assert.Equal("content", Shell.Run("debugfs", ["-R", "cat file", _work["p"]]).Output);
        // The same place by number and by offset.
        foreach (string[] place in new string[][] { ["-p", "2"], ["--offset", "9M"], ["-o", "offset=9437184,sizelimit=32M"] })
        {
            _work.Mount(disk, place);
            Assert.Equal("content", File.ReadAllText(Path.Combine(directory, "file")));
            WinLoopProgram.Succeed("unmount", disk);
        }
        WinLoopProgram.Fail(3, "no partition 7", "mount", disk, directory, "-p", "7");
    }

    [Fact]
    public void Several_ext_partitions_are_named_and_none_is_taken()
    {
        string disk = MakeDisk("gpt", second: true);
        JsonElement answer = WinLoopProgram.Json("info", disk);
        Assert.Equal("no", answer.GetProperty("mountable").GetString());
        Assert.Contains("2 ", answer.GetProperty("reason").GetString(), StringComparison.Ordinal);
        Assert.Equal(2, answer.GetProperty("partitions").EnumerateArray().Count(p => p.GetProperty("fileSystem").ValueKind == JsonValueKind.String));
        Assert.Equal(3, WinLoopProgram.Json("info", disk, "-p", "3").GetProperty("volume").GetProperty("partition").GetInt32());
        if (OperatingSystem.IsLinux())
        {
            WinLoopProgram.Fail(2, "more than one", "mount", disk, _work.MakeDirectory());
        }
    }

    [Fact]
    public void Features_are_marked_and_decide()
    {
        string refused = _work.MakeImage("a", options: "-O inline_data");
        JsonElement answer = WinLoopProgram.Json("info", refused);
        Assert.Equal("no", answer.GetProperty("mountable").GetString());
        Assert.Contains("inline_data", answer.GetProperty("reason").GetString(), StringComparison.Ordinal);
        string text = WinLoopProgram.Succeed("info", refused);
        Assert.Contains("inline_data (not supported)", text, StringComparison.Ordinal);
        Assert.Contains("\ncannot be mounted: ", text, StringComparison.Ordinal);

        string readOnly = _work.MakeImage("b", options: "-O quota");
        Assert.Equal("read-only", WinLoopProgram.Json("info", readOnly).GetProperty("mountable").GetString());
        Assert.Contains("quota (read-only)", WinLoopProgram.Succeed("info", readOnly), StringComparison.Ordinal);
    }

    [Fact]
    public void A_mounted_image_can_be_looked_at()
    {
        WinLoopProgram.RequireMounts();
        string image = _work.MakeImage();
        string directory = _work.Mount(image);
        File.WriteAllText(Path.Combine(directory, "file"), "content");
        JsonElement answer = WinLoopProgram.Json("info", image);
        Assert.Equal(directory, Assert.Single(answer.GetProperty("mountedOn").EnumerateArray()).GetString());
        Assert.Equal("needs recovery", answer.GetProperty("volume").GetProperty("state").GetString());
        WinLoopProgram.Succeed("unmount", directory);
        answer = WinLoopProgram.Json("info", image);
        Assert.Equal(0, answer.GetProperty("mountedOn").GetArrayLength());
        Assert.Equal("clean", answer.GetProperty("volume").GetProperty("state").GetString());
        Assert.Equal(directory, answer.GetProperty("volume").GetProperty("lastMountedOn").GetString());
    }

    [Fact]
    public void What_is_no_image_is_refused()
    {
        WinLoopProgram.Fail(3, "no such file", "info", _work["missing"]);
        WinLoopProgram.Fail(2, "directory", "info", _work.Folder);
        File.WriteAllText(_work["text"], new string('x', 100000));
        WinLoopProgram.Fail(5, "not an ext", "info", _work["text"]);
        string image = _work.MakeImage(size: "64M");
        Shell.Script($"cp {image} {_work["short"]}; truncate -s 20M {_work["short"]}; printf '\\377' | dd of={image} bs=1 seek=1100 conv=notrunc status=none");
        WinLoopProgram.Fail(4, "", "info", _work["short"]);
        WinLoopProgram.Fail(4, "checksum", "info", image);
    }

    [Fact]
    public void A_label_cannot_command_the_terminal()
    {
        string image = _work.MakeImage(options: "-O ^metadata_csum");
        Shell.Script($"printf 'x\\033[2Jy\\a' | dd of={image} bs=1 seek=1144 conv=notrunc status=none");
        string text = WinLoopProgram.Succeed("info", image);
        Assert.DoesNotContain('\u001b', text);
        Assert.DoesNotContain('\a', text);
        Assert.Equal("x\u001b[2Jy\a", WinLoopProgram.Json("info", image).GetProperty("volume").GetProperty("label").GetString());
    }
}
