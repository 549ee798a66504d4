using WinLoop.Storage.Windows;

namespace WinLoop.Storage.Tests.Drives;

/// <summary>Which disks of Windows may be written to, and what is locked for it.</summary>
public sealed class DriveClaimTests
{
    private const long GiB = 1L << 30;

    // Disk 0: Windows (C:) and data (D:). Disk 1: a card with E: and a volume without a letter. Disk 2: the page file (P:).
    // S: spans disks 1 and 3.
    private readonly FakeDisks _disks = new();

    [Fact]
    public void A_card_is_written_with_all_of_its_volumes_locked_until_the_end()
    {
        using (DriveClaim.Take(@"\\.\PhysicalDrive1", _disks))
        {
            Assert.Equal(["Volume{e}", "Volume{none}", "Volume{s}"], _disks.Locked.Order());
        }

        Assert.Empty(_disks.Locked);
    }

    [Theory]
    [InlineData(@"\\.\PhysicalDrive0", "C:")]
    [InlineData(@"\\.\physicaldrive0", "C:")]
    [InlineData(@"\\.\PhysicalDrive2", "P:")]
    [InlineData(@"\\.\C:", "C:")]
    [InlineData(@"\\.\P:", "P:")]
    public void What_Windows_lives_on_is_refused(string path, string named)
    {
        BlockDeviceException e = Assert.Throws<BlockDeviceException>(() => DriveClaim.Take(path, _disks));
        Assert.Equal(BlockDeviceError.Denied, e.Error);
        Assert.Contains(named, e.Message, StringComparison.Ordinal);
        Assert.Empty(_disks.Locked);
    }

    [Fact]
    public void A_volume_beside_Windows_may_be_written_and_is_locked_by_who_writes()
    {
        using DriveClaim claim = DriveClaim.Take(@"\\.\D:", _disks);
        Assert.Empty(_disks.Locked);
    }

    [Fact]
    public void A_volume_in_use_is_named_and_the_others_are_given_back()
    {
        _disks.InUse = "Volume{none}";
        BlockDeviceException e = Assert.Throws<BlockDeviceException>(() => DriveClaim.Take(@"\\.\PhysicalDrive1", _disks));
        Assert.Equal(BlockDeviceError.Busy, e.Error);
        Assert.Contains("Volume{none}", e.Message, StringComparison.Ordinal);
        Assert.Empty(_disks.Locked);
    }

    [Fact]
    public void What_cannot_be_told_apart_from_the_system_disk_is_refused()
    {
        Assert.Equal(BlockDeviceError.Denied, DeviceContract.Error(() => DriveClaim.Take(@"\\.\PhysicalDrive9", _disks)));
        Assert.Equal(BlockDeviceError.Denied, DeviceContract.Error(() => DriveClaim.Take(@"\\.\Z:", _disks)));
        _disks.Extents.Remove(@"\\.\C:");
        Assert.Equal(BlockDeviceError.Denied, DeviceContract.Error(() => DriveClaim.Take(@"\\.\PhysicalDrive1", _disks)));
    }

    [Fact]
    public void Disks_are_listed_with_the_letters_on_them()
    {
        IReadOnlyList<SystemDisk> list = WindowsDiskList.List(_disks);
        Assert.Equal([@"\\.\PhysicalDrive0", @"\\.\PhysicalDrive1", @"\\.\PhysicalDrive2", @"\\.\PhysicalDrive3"], list.Where(d => d.Path.Length == 18).Select(d => d.Path));
        Assert.Equal([("Volume{e}", 1L << 20), ("Volume{none}", 2 * GiB), ("Volume{s}", 4 * GiB)], list[1].Parts.Select(p => (p.Name, p.Start)));
    }

    private sealed class FakeDisks : IWindowsDisks
    {
        internal Dictionary<string, DiskExtent[]> Extents { get; } = new(StringComparer.OrdinalIgnoreCase)
        {
            ["Volume{c}"] = [new(0, 0, 100 * GiB)],
            [@"\\.\C:"] = [new(0, 0, 100 * GiB)],
            [@"\\.\D:"] = [new(0, 100 * GiB, 100 * GiB)],
            ["Volume{d}"] = [new(0, 100 * GiB, 100 * GiB)],
            ["Volume{e}"] = [new(1, 1 << 20, GiB)],
            ["Volume{none}"] = [new(1, 2 * GiB, GiB)],
            [@"\\.\P:"] = [new(2, 0, GiB)],
            ["Volume{p}"] = [new(2, 0, GiB)],
            ["Volume{s}"] = [new(3, 0, GiB), new(1, 4 * GiB, GiB)],
        };

        internal List<string> Locked { get; } = [];

        internal string? InUse { get; set; }

        public IReadOnlyList<string> Volumes() => [.. Extents.Keys.Where(k => k.StartsWith("Volume", StringComparison.Ordinal)), "Volume{cd}"];

        public IReadOnlyList<DiskExtent>? ExtentsOf(string volume) => Extents.GetValueOrDefault(volume);

        public string NameOf(string volume) => volume.Replace(@"\\.\", "", StringComparison.Ordinal);

        public DiskExtent? DiskOf(string path) => path[^1] is >= '0' and <= '3' ? new DiskExtent(path[^1] - '0', 0, 1000 * GiB) : null;

        public bool Exists(string path) => DiskOf(path) is not null;

        public IReadOnlyList<string> SystemVolumes() => [@"\\.\C:", @"\\.\P:"];

        public IDisposable LockAndDismount(string volume)
        {
            if (volume == InUse)
            {
                throw new BlockDeviceException(BlockDeviceError.Busy, "in use");
            }

            Locked.Add(volume);
            return new Unlock(() => Locked.Remove(volume));
        }

        private sealed class Unlock(Action dispose) : IDisposable
        {
            public void Dispose() => dispose();
        }
    }
}
