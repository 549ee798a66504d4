using WinLoop.Mounting.Windows;

namespace WinLoop.Mounting.Tests.Windows;

public sealed class SidTests
{
    private static readonly byte[] s_user = Parse("S-1-5-21-11-22-33-1001");

    [Theory]
    [InlineData("S-1-1-0", "010100000000000100000000")]
    [InlineData("S-1-5-18", "010100000000000512000000")]
    [InlineData("S-1-5-32-544", "01020000000000052000000020020000")]
    [InlineData("S-1-5-21-4294967295-0-1-500", "010500000000000515000000FFFFFFFF0000000001000000F4010000")]
    [InlineData("S-1-0x123456789ABC-1", "0101123456789ABC01000000")]
    public void Text_and_bytes(string text, string hex)
    {
        Assert.True(Sid.TryParse(text, out byte[] sid));
        Assert.Equal(hex, Convert.ToHexString(sid));
        Assert.Equal(text, Sid.Format(sid));
        Assert.True(Sid.IsValid(sid));
        Assert.False(Sid.IsValid(sid.AsSpan(0, sid.Length - 1)));
        Assert.False(Sid.IsValid([.. sid, 0]));
    }

    [Theory]
    [InlineData("")]
    [InlineData("S-1-")]
    [InlineData("S-1-5")]
    [InlineData("S-1-5-")]
    [InlineData("S-2-5-1")]
    [InlineData("S-1-5-4294967296")]
    [InlineData("S-1-5--1")]
    [InlineData("S-1-281474976710656-1")]
    [InlineData("S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15-16")]
    public void Refuses_other_text(string text) => Assert.False(Sid.TryParse(text, out _));

    [Fact]
    public void What_is_no_sid_has_no_name()
    {
        Assert.Equal("?", Sid.Format([]));
        Assert.Equal("?", Sid.Format([1, 16, 0, 0, 0, 0, 0, 5]));
        Assert.Equal("?", Sid.Format([2, 0, 0, 0, 0, 0, 0, 5]));
    }

    // The rows are Cygwin's rules; the last ones are what they leave out.
    [Theory]
    [InlineData(0, "S-1-5-0")]
    [InlineData(18, "S-1-5-18")]
    [InlineData(544, "S-1-5-32-544")]
    [InlineData(1000, "S-1-5-1000")]
    [InlineData(65534, "S-1-0-65534")]
    [InlineData(0x10100, "S-1-1-0")]
    [InlineData(0x10304, "S-1-3-4")]
    [InlineData(0x4000A, "S-1-5-64-10")]
    [InlineData(0x50000, "S-1-5-80-0")]
    [InlineData(0x62000, "S-1-16-8192")]
    [InlineData(0x30000 + 500, "S-1-5-21-11-22-33-500")]
    [InlineData(1001, "S-1-22-1-1001")]
    [InlineData(100000, "S-1-5-24-1696")]
    [InlineData(0x10500 + 18, "S-1-22-1-66834")]
    [InlineData(0x5001, "S-1-22-1-20481")]
    [InlineData(0x20001, "S-1-22-1-131073")]
    [InlineData(4000000000, "S-1-22-1-4000000000")]
    public void Users_have_the_sids_of_cygwin_or_samba(uint uid, string text)
    {
        var map = new SidMap(new WindowsOptions { OwnerSid = s_user });
        byte[] sid = new byte[Sid.MaxLength];
        Assert.Equal(text, Sid.Format(sid.AsSpan(0, map.FromUser(uid, sid))));
        Assert.True(map.TryUser(Parse(text), out uint back));
        Assert.Equal(uid, back);
    }

    [Fact]
    public void Every_number_comes_back_and_none_is_anothers()
    {
        Random random = Seeded.Random();
        var options = new WindowsOptions { OwnerSid = s_user, GroupSid = Sid.Users, Uid = 1000, Gid = 1000 };
        foreach (SidMap map in new[] { new SidMap(options), new SidMap(new WindowsOptions()), new SidMap(options with { Uid = 7, Gid = 7, OwnerSid = Parse("S-1-5-18") }) })
        {
            var seen = new HashSet<string>();
            byte[] sid = new byte[Sid.MaxLength];
            for (uint i = 0; i < 0x140000; i += i < 0x12000 ? 1 : (uint)random.Next(1, 64))
            {
                uint id = i > 0x120000 ? (uint)random.NextInt64(0x120000, 0x1_0000_0000) : i;
                Assert.True(map.TryUser(sid.AsSpan(0, map.FromUser(id, sid)), out uint back), id.ToString());
                Assert.Equal(id, back);
                Assert.True(map.TryGroup(sid.AsSpan(0, map.FromGroup(id, sid)), out back), id.ToString());
                Assert.Equal(id, back);
            }
            for (uint id = 0; id < 3000; id++)
            {
                Assert.True(seen.Add(Sid.Format(sid.AsSpan(0, map.FromUser(id, sid)))));
            }
        }
    }

    [Fact]
    public void The_mounting_user_is_the_given_number()
    {
        var map = new SidMap(new WindowsOptions { OwnerSid = s_user, GroupSid = Sid.Users, Uid = 1000, Gid = 100 });
        byte[] sid = new byte[Sid.MaxLength];
        Assert.Equal(s_user, sid[..map.FromUser(1000, sid)]);
        Assert.Equal(Sid.Users, sid[..map.FromGroup(100, sid)]);
        Assert.True(map.TryUser(s_user, out uint uid));
        Assert.Equal(1000u, uid);

        // The number that the domain's rule would give that SID has another one.
        Assert.Equal("S-1-22-1-197609", Sid.Format(sid.AsSpan(0, map.FromUser(0x30000 + 1001, sid))));
    }

    [Theory]
    [InlineData("S-1-5-88-1-5000", 5000, false)]
    [InlineData("S-1-5-88-2-5000", 5000, true)]
    [InlineData("S-1-22-2-5000", 5000, true)]
    [InlineData("S-1-22-1-5000", 5000, false)]
    public void Users_and_groups_are_told_apart(string text, uint id, bool isGroup)
    {
        var map = new SidMap(new WindowsOptions());
        Assert.Equal(!isGroup, map.TryUser(Parse(text), out uint user));
        Assert.Equal(isGroup, map.TryGroup(Parse(text), out uint group));
        Assert.Equal(id, isGroup ? group : user);
    }

    [Theory]
    [InlineData("S-1-5-21-9-9-9-1001")]
    [InlineData("S-1-5-5-0-12345")]
    [InlineData("S-1-15-2-1")]
    [InlineData("S-1-5-32-70000")]
    public void Strangers_have_no_number(string text) =>
        Assert.False(new SidMap(new WindowsOptions { OwnerSid = s_user }).TryUser(Parse(text), out _));

    private static byte[] Parse(string text)
    {
        Assert.True(Sid.TryParse(text, out byte[] sid));
        return sid;
    }
}
