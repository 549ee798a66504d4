using System.Text.Json;

namespace WinLoop.Cli.Tests;

public sealed class ScanTests : IDisposable
{
    private readonly Workspace _work = new();

    public ScanTests()
    {
        WinLoopProgram.RequireMounts();
        Shell.Require("losetup", "sfdisk");
    }

    public void Dispose() => _work.Dispose();

    [Fact]
    public void Finds_partitions_and_whole_disks_and_says_where_they_are_mounted()
    {
        string part = _work.MakeImage("part", "16M", "-L onapartition"), whole = _work.MakeImage("whole", "16M", "-L wholedisk"), disk = _work["disk"];
        Shell.Script($"truncate -s 40M {disk}; printf '2048,16384,c\\n20480,,L\\n' | sfdisk -q {disk}; dd if={part} of={disk} bs=512 seek=20480 conv=notrunc status=none");
        string hash = Workspace.HashOf(disk), k = _work.MakeDirectory("k");
        string one = Shell.Script($"losetup -f --show -r {disk}").Trim(), two = Shell.Script($"losetup -f --show {whole}").Trim();
        try
        {
            Shell.Script($"mount -o ro {two} {k}");
            JsonElement answer = WinLoopProgram.Json("scan");
            JsonElement onPartition = Assert.Single(answer.GetProperty("volumes").EnumerateArray(), v => v.GetProperty("disk").GetString() == one);
            Assert.Equal((2, 20480 * 512L, "onapartition", "ext4", "clean", "read-write"), (onPartition.GetProperty("partition").GetInt32(), onPartition.GetProperty("offset").GetInt64(),
                onPartition.GetProperty("label").GetString(), onPartition.GetProperty("type").GetString(), onPartition.GetProperty("state").GetString(), onPartition.GetProperty("mountable").GetString()));
            Assert.Empty(onPartition.GetProperty("mountedOn").EnumerateArray());
            JsonElement onDisk = Assert.Single(answer.GetProperty("volumes").EnumerateArray(), v => v.GetProperty("disk").GetString() == two);
            Assert.Equal(JsonValueKind.Null, onDisk.GetProperty("partition").ValueKind);
            Assert.Equal(Shell.Script($"dumpe2fs -h {whole} 2>/dev/null | sed -n 's/^Filesystem UUID: *//p'").Trim(), onDisk.GetProperty("uuid").GetString());
            Assert.Equal(k, Assert.Single(onDisk.GetProperty("mountedOn").EnumerateArray()).GetString());
            Assert.Contains(answer.GetProperty("disks").EnumerateArray(), d => d.GetProperty("disk").GetString() == one && d.GetProperty("size").GetInt64() == 40 << 20);

            string text = WinLoopProgram.Succeed("scan", "-n");
            Assert.Contains(text.Split('\n'), line => line.Contains(one, StringComparison.Ordinal) && line.Contains("onapartition", StringComparison.Ordinal));

            // What it says is what mount takes.
            string directory = _work.Mount(one, "-r", "-p", "2");
            JsonElement mounted = Assert.Single(WinLoopProgram.Json("scan").GetProperty("volumes").EnumerateArray(), v => v.GetProperty("disk").GetString() == one);
            Assert.Equal(directory, Assert.Single(mounted.GetProperty("mountedOn").EnumerateArray()).GetString());
            WinLoopProgram.Succeed("unmount", directory);
        }
        finally
        {
            Shell.Script($"umount {k}; losetup -d {one}; losetup -d {two}");
        }

        Assert.Equal(hash, Workspace.HashOf(disk));
    }

    [Fact]
    public void A_user_without_rights_is_told_so()
    {
        Shell.Require("setpriv");
        Shell.Result result = Shell.Run("setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups", WinLoopProgram.Path, "scan"]);
        Assert.SkipWhen(result.ExitCode == 126 || result.ExitCode == 127, "the program cannot be run by others here");
        Assert.Equal(7, result.ExitCode);
        Assert.Contains("no permission to read /dev/", result.Error, StringComparison.Ordinal);
        Assert.Contains("root", result.Error, StringComparison.Ordinal);
    }
}
