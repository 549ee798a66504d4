using WinLoop.Storage.Linux;
using WinLoop.TestKit;

namespace WinLoop.Storage.Tests.Drives;

/// <summary>Disks out of a made-up /sys/block and /proc/partitions.</summary>
public sealed class LinuxDiskListTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Sysfs_tells_models_partitions_and_holders()
    {
        Put("sda/size", "1000000\n");
        Put("sda/device/model", "Card Reader \n");
        Put("sda/sda2/partition", "2\n");
        Put("sda/sda2/start", "526336\n");
        Put("sda/sda2/holders/md0/x", "");
        Put("sda/sda1/partition", "1\n");
        Put("sda/sda1/start", "2048\n");
        Put("sdb/size", "0\n");                 // no card in the slot
        Put("zram0/size", "1000\n");
        Put("cciss!c0d0/size", "1000\n");
        Put("sdc/size", "nonsense\n");
        Put("sdd/size", "1000\n");
        Put("sdd/sdd1/partition", "1\n");
        Put("sdd/sdd1/start", "9223372036854775807\n");
        IReadOnlyList<SystemDisk> list = LinuxDiskList.List(_folder.Path, "/none");
        Assert.Equal(["/dev/cciss/c0d0", "/dev/sda", "/dev/sdd"], list.Select(d => d.Path));
        Assert.Equal("Card Reader", list[1].Model);
        Assert.Equal([new SystemPart(2048 * 512, "/dev/sda1", ""), new SystemPart(526336 * 512, "/dev/sda2", "md0")], list[1].Parts);
        Assert.Empty(list[2].Parts);
    }

    [Fact]
    public void Without_sysfs_the_disks_of_proc_partitions_are_taken_and_not_their_partitions()
    {
        Put("partitions", "major minor  #blocks  name\n\n   8 0 500 sda\n   8 1 400 sda1\n 259 0 500 nvme0n1\n 259 1 400 nvme0n1p1\n 253 0 9 dm-0\n 251 0 9 zram0\n 7 1 9 loop1\n 7 10 9 loop10\n");
        Assert.Equal(["/dev/sda", "/dev/nvme0n1", "/dev/dm-0", "/dev/loop1", "/dev/loop10"],
            LinuxDiskList.List("/none", Path.Combine(_folder.Path, "partitions")).Select(d => d.Path));
    }

    private void Put(string name, string text)
    {
        string path = Path.Combine(_folder.Path, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }
}
