using System.Text.Json;
using WinLoop.Mounting.Registry;

namespace WinLoop.Mounting.Tests;

public sealed class MountRecordTests
{
    [Fact]
    public void What_is_written_by_hand_is_read_back_by_the_serializer()
    {
        var record = new MountRecord
        {
            Id = "abc", Image = "/a \"quoted\"\\\n\t\u0001 ü 𝄞.img", Directory = "/mnt/é", Partition = 2, Offset = 1 << 20, Size = long.MaxValue,
            Label = "root\ud800fs", Uuid = "u", ReadOnly = true, ReadOnlyReason = "why", FileSystem = "fuse.ext4", Device = "/dev/loop0",
            Owner = uint.MaxValue, Pid = 1, StartTime = 99, Since = DateTimeOffset.UtcNow, OwnsDirectory = true, Failure = "f",
        };
        byte[] json = MountRecordWriter.ToJson(record);
        MountRecord read = JsonSerializer.Deserialize(json, RegistryJson.Default.MountRecord)!;
        Assert.Equal(record with { Label = read.Label }, read);

        var least = new MountRecord { Id = "1", Image = "i", Directory = "d" };
        Assert.Equal(least, JsonSerializer.Deserialize(MountRecordWriter.ToJson(least), RegistryJson.Default.MountRecord));
    }
}
