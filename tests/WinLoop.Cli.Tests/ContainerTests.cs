using System.Text.Json;

namespace WinLoop.Cli.Tests;

/// <summary>Images in containers: mounted like any other, whatever their names, and right in qemu's eyes afterwards.</summary>
[Collection(MountNamespaces.Name)]
public sealed class ContainerTests : IDisposable
{
    private readonly Workspace _work = new();

    public ContainerTests()
    {
        WinLoopProgram.RequireMounts();
        Shell.Require("mkfs.ext4", "e2fsck", "qemu-img");
    }

    public void Dispose() => _work.Dispose();

    /// <summary>qemu's name and ours.</summary>
    public static TheoryData<string, string> Writable => new() { { "vhdx", "VHDX" }, { "vpc", "VHD" }, { "vdi", "VDI" } };

    [Theory]
    [MemberData(nameof(Writable))]
    public void A_container_is_mounted_written_and_checked(string format, string name)
    {
        string raw = _work.MakeImage("raw", "64M"), image = _work["no extension that says so"];
        Shell.Script($"qemu-img convert -f raw -O {format} {raw} '{image}'");
        Assert.Equal(name, WinLoopProgram.Json("info", image).GetProperty("format").GetString());

        string directory = _work.Mount(image);
        File.WriteAllText(Path.Combine(directory, "file"), "content");
        File.WriteAllBytes(Path.Combine(directory, "big"), new byte[20 << 20]);
        WinLoopProgram.Succeed("unmount", directory);

        Assert.Equal("content", WinLoopProgram.Succeed("cat", image + ":/file"));
        Assert.True(WinLoopProgram.Json("check", image).GetProperty("clean").GetBoolean());
        WinLoopProgram.Fail(5, $"it is a {name} image", "resize", image, "100M");
        WinLoopProgram.Succeed("trim", image);
        if (format != "vpc")
        {
            Shell.Script($"qemu-img check -f {format} '{image}'"); // of VHD it has no check
        }
        string back = _work["back"];
        Shell.Script($"qemu-img convert -f {format} -O raw '{image}' {back}");
        Workspace.AssertClean(back);
        Assert.Equal("content", Shell.Run("debugfs", ["-R", "cat /file", back]).Output);
    }

    [Theory]
    [MemberData(nameof(Writable))]
    public void Read_only_not_a_byte_of_it_changes(string format, string name)
    {
        string raw = _work.MakeImage("raw", "64M"), image = _work["x." + format];
        Shell.Script($"qemu-img convert -f raw -O {format} {raw} {image}");
        string before = Workspace.HashOf(image), directory = _work.Mount(image, "-r");
        Assert.True(Directory.Exists(Path.Combine(directory, "lost+found")), name);
        Assert.Throws<IOException>(() => File.WriteAllText(Path.Combine(directory, "file"), "content"));
        WinLoopProgram.Succeed("unmount", directory);
        Assert.Equal(before, Workspace.HashOf(image));
    }

    [Fact]
    public void A_card_of_a_Raspberry_and_a_disk_of_WSL_need_no_options()
    {
        Shell.Require("sfdisk");
        string root = _work.MakeImage("root", "64M", "-L rootfs"), card = _work["pi.img"], disk = _work["pi.vhdx"], wsl = _work["ext4.vhdx"];
        Shell.Script($"truncate -s 128M {card}; printf 'start=8192,size=65536,type=c\\nstart=73728,size=131072,type=83\\n' | sfdisk -q {card}; " +
            $"dd if={root} of={card} bs=1M seek=36 conv=notrunc,sparse status=none; qemu-img convert -f raw -O vhdx {card} {disk}; " +
            $"qemu-img convert -f raw -O vhdx -o subformat=dynamic {root} {wsl}");
        foreach (string image in (string[])[card, disk, wsl])
        {
            string directory = _work.Mount(image);
            JsonElement mount = WinLoopProgram.Json("list").GetProperty("mounts").EnumerateArray().Single(m => m.GetProperty("directory").GetString() == directory);
            Assert.Equal("rootfs", mount.GetProperty("label").GetString());
            Assert.False(mount.GetProperty("readOnly").GetBoolean());
            WinLoopProgram.Succeed("unmount", directory);
        }
    }

    [Fact]
    public void A_second_mount_of_a_container_is_refused()
    {
        string raw = _work.MakeImage("raw", "64M"), image = _work["x.vhdx"];
        Shell.Script($"qemu-img convert -f raw -O vhdx {raw} {image}");
        string directory = _work.Mount(image);
        WinLoopProgram.Fail(6, directory, "mount", image, _work.MakeDirectory("e"));
    }

    [Fact]
    public void An_offset_counts_in_the_disk()
    {
        string root = _work.MakeImage("root", "32M"), disk = _work["disk"], image = _work["x.vhdx"];
        Shell.Script($"truncate -s 64M {disk}; dd if={root} of={disk} bs=1M seek=8 conv=notrunc,sparse status=none; qemu-img convert -f raw -O vhdx {disk} {image}");
        string directory = _work.Mount(image, "--offset", "8M", "--sizelimit", "32M");
        File.WriteAllText(Path.Combine(directory, "file"), "content");
        WinLoopProgram.Succeed("unmount", directory);
        Shell.Script($"qemu-img convert -f vhdx -O raw {image} {disk}; dd if={disk} of={root} bs=1M skip=8 count=32 status=none");
        Workspace.AssertClean(root);
        WinLoopProgram.Fail(2, "past the end", "mount", image, _work["e"], "--offset", "1T");
    }

    [Fact]
    public void A_damaged_container_is_named()
    {
        string raw = _work.MakeImage("raw", "64M"), image = _work["x.vhdx"];
        Shell.Script($"qemu-img convert -f raw -O vhdx {raw} {image}; dd if=/dev/zero of={image} bs=64K seek=3 count=2 conv=notrunc status=none");
        WinLoopProgram.Fail(4, "VHDX", "mount", image, _work.MakeDirectory());
        WinLoopProgram.Fail(4, "VHDX", "info", image);
    }
}
