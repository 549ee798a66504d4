using System.Globalization;
using System.Text.Json;
using WinLoop.TestKit;

namespace WinLoop.Storage.Tests;

/// <summary>Tables made by sfdisk, and read by it and by partx.</summary>
public sealed class SfdiskTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("label: dos\n,4M,c,*\n,8M,83\n")]
    [InlineData("label: dos\nstart=2048,size=8192,type=c\nstart=20480,size=60000,type=5\nstart=22528,size=2048,type=83\nstart=30000,size=4000,type=82\nstart=38912,size=4000,type=83\n")]
    [InlineData("label: dos\n1: start=2048,size=2048,type=83\n3: start=8192,size=2048,type=83\n")]
    [InlineData("label: gpt\n,4M,U,\nname=\"the root\",size=10M\n,,S\n")]
    [InlineData("label: gpt\n2: size=4M,name=\"second\"\n7: size=4M,name=\"seventh\"\n")]
    [InlineData("label: gpt\ntable-length: 256\n200: size=4M\n")]
    public void The_same_table_as_sfdisk_reads(string script)
    {
        Shell.Require("sfdisk");
        string path = _folder.File("disk", 40 << 20);
        Shell.Script($"printf '%s' '{script}' | sfdisk -q {path}");
        using LoopDevice device = LoopDevice.Open(path, new() { IsReadOnly = true });
        PartitionTable table = PartitionTable.Read(device);
        Assert.Empty(table.Warnings);
        Assert.Equal(Expected(path), table.Partitions.Select(p => (p.Number, p.Start / 512, p.Length / 512, p.Type, p.Name)));
        Assert.Equal(Partx(path), table.Partitions.Select(p => (p.Number, p.Start / 512, p.Length / 512)));
    }

    [Fact]
    public void The_partition_with_ext4_is_found_and_is_the_right_one()
    {
        Shell.Require("sfdisk", "mkfs.ext4");
        string path = _folder.File("disk", 40 << 20);
        Shell.Script($"printf 'label: dos\\n,8M,c\\n,16M,83\\n' | sfdisk -q {path}; mkfs.ext4 -q -F -L found -E offset=$(((2048+16384)*512)) {path} 16M");
        using LoopDevice device = LoopDevice.Open(path, new() { IsReadOnly = true });
        LocatedVolume volume = VolumeLocator.Locate(device);
        Assert.Equal(2, volume.Partition!.Number);
        byte[] label = new byte[5];
        volume.Device.Read(label, 1024 + 0x78);
        Assert.Equal("found"u8.ToArray(), label);
    }

    private static List<(int, long, long, string, string)> Expected(string path)
    {
        using JsonDocument json = JsonDocument.Parse(Shell.Script($"sfdisk -J {path}"));
        var partitions = new List<(int, long, long, string, string)>();
        foreach (JsonElement partition in json.RootElement.GetProperty("partitiontable").GetProperty("partitions").EnumerateArray())
        {
            string type = partition.GetProperty("type").GetString()!.ToLowerInvariant();
            partitions.Add((
                int.Parse(partition.GetProperty("node").GetString()![path.Length..], CultureInfo.InvariantCulture),
                partition.GetProperty("start").GetInt64(),
                partition.GetProperty("size").GetInt64(),
                type.Length == 1 ? "0" + type : type,
                partition.TryGetProperty("name", out JsonElement name) ? name.GetString()! : ""));
        }

        return partitions;
    }

    /// <summary>libblkid's view, which numbers as the kernel does.</summary>
    private static List<(int, long, long)> Partx(string path)
    {
        Shell.Require("partx");
        string output = Shell.Script($"partx -g -o NR,START,SECTORS --show {path}");
        return [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(n => long.Parse(n, CultureInfo.InvariantCulture)).ToArray())
            .Select(n => ((int)n[0], n[1], n[2]))];
    }
}
