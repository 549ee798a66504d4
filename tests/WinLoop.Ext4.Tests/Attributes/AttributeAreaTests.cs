using System.Buffers.Binary;
using System.Text;
using WinLoop.Ext4.Attributes;

namespace WinLoop.Ext4.Tests.Attributes;

public class AttributeAreaTests
{
    [Fact]
    public void RebuildsKeepWhatAModelKeeps()
    {
        int seed = Random.Shared.Next();
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
        var random = new Random(seed);
        foreach (bool isBlock in new[] { false, true })
        {
            int first = isBlock ? AttributeArea.BlockHeaderSize : 0;
            for (int round = 0; round < 40; round++)
            {
                byte[] current = new byte[random.Next(1, 256) * 4 + first];
                var model = new Dictionary<string, byte[]>();
                for (int step = 0; step < 60; step++)
                {
                    string name = "n" + random.Next(12) + new string('x', random.Next(3));
                    byte[] value = new byte[random.Next(40)];
                    random.NextBytes(value);
                    bool remove = random.Next(3) == 0;
                    byte[] next = new byte[current.Length];
                    var area = new AttributeArea(current, first);
                    bool fits = area.TryRebuild(next, AttributeIndex.User, Encoding.ASCII.GetBytes(name), value, remove, isBlock, out int count);
                    var wanted = new Dictionary<string, byte[]>(model);
                    wanted.Remove(name);
                    if (!remove)
                    {
                        wanted[name] = value;
                    }
                    int need = first + 4 + wanted.Sum(e => 16 + ((e.Key.Length + 3) & ~3) + ((e.Value.Length + 3) & ~3));
                    Assert.Equal(need <= current.Length, fits);
                    if (!fits)
                    {
                        continue;
                    }
                    Assert.Equal(wanted.Count, count);
                    model = wanted;
                    current = next;
                    area = new AttributeArea(current, first);
                    area.Validate(1);
                    Assert.Equal(model.Count == 0, area.IsEmpty);
                    string last = "";
                    int seen = 0;
                    for (int at = first; area.TryRead(ref at, out AttributeEntry entry); seen++)
                    {
                        string found = Encoding.ASCII.GetString(area.NameOf(entry));
                        Assert.Equal(model[found], area.ValueOf(entry).ToArray());
                        Assert.Equal(isBlock ? AttributeHash.OfEntry(area.NameOf(entry), area.ValueOf(entry)) : 0, entry.Hash);
                        if (isBlock)
                        {
                            Assert.True(last.Length < found.Length || (last.Length == found.Length && string.CompareOrdinal(last, found) < 0));
                            last = found;
                        }
                    }
                    Assert.Equal(model.Count, seen);
                }
            }
        }
    }

    [Fact]
    public void HostileAreasAreDamageAndNothingElse()
    {
        int seed = Random.Shared.Next();
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
        var random = new Random(seed);
        for (int round = 0; round < 20000; round++)
        {
            byte[] bytes = new byte[random.Next(0, 40) * 4];
            int first = 0;
            if (random.Next(2) == 0)
            {
                random.NextBytes(bytes);
            }
            else
            {
                for (int i = 0; i < 4; i++)
                {
                    byte[] next = new byte[bytes.Length];
                    if (bytes.Length > 4 && new AttributeArea(bytes, 0).TryRebuild(next, AttributeIndex.User, [(byte)i], new byte[i * 3], false, false, out _))
                    {
                        bytes = next;
                    }
                }
                for (int i = random.Next(1, 5); i > 0 && bytes.Length >= 4; i--)
                {
                    uint value = random.Next(4) switch { 0 => 0u, 1 => uint.MaxValue, 2 => 0x7FFFFFFF, _ => (uint)random.Next(300) };
                    BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(random.Next(Math.Min(bytes.Length, 40) - 3)), value);
                }
            }
            var area = new AttributeArea(bytes, first);
            try
            {
                if (area.IsEmpty)
                {
                    continue;
                }
                area.Validate(1);
                for (int at = first; area.TryRead(ref at, out AttributeEntry entry);)
                {
                    area.NameOf(entry);
                    area.ValueOf(entry);
                }
                area.TryRebuild(new byte[bytes.Length], AttributeIndex.User, "n"u8, "v"u8, false, true, out _);
                area.TryRebuild(new byte[bytes.Length], AttributeIndex.User, [1], default, true, true, out _);
            }
            catch (Exception e) when (e is Ext4CorruptException or Ext4Exception { Errno: Errno.EOPNOTSUPP })
            {
            }
        }
    }

    [Theory]
    [InlineData("", Errno.ERANGE)]
    [InlineData("user.", Errno.EINVAL)]
    [InlineData("nothing", Errno.EOPNOTSUPP)]
    [InlineData("system.data", Errno.EOPNOTSUPP)]
    [InlineData("system.posix_acl_accessx", Errno.EOPNOTSUPP)]
    public void BadNamesAreTheCallersMistake(string name, Errno errno) =>
        Assert.Equal(errno, Assert.Throws<Ext4Exception>(() => AttributeName.Parse(Encoding.UTF8.GetBytes(name), out _)).Errno);

    [Fact]
    public void NamesHaveALimit()
    {
        Assert.Equal(AttributeIndex.User, AttributeName.Parse(Encoding.ASCII.GetBytes("user." + new string('n', 250)), out ReadOnlySpan<byte> rest));
        Assert.Equal(250, rest.Length);
        Assert.Equal(Errno.ERANGE, Assert.Throws<Ext4Exception>(() => AttributeName.Parse(Encoding.ASCII.GetBytes("user." + new string('n', 251)), out _)).Errno);
    }
}
