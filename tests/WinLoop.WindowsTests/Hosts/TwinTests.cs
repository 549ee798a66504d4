using WinLoop.Mounting.Windows;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>Names that differ in case only, which the driver cannot tell apart.</summary>
public sealed class TwinTests
{
    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Twins_in_case_are_both_reached_one_at_a_time(HostKind kind)
    {
        using TestKit.TestImage image = TestKit.TestImage.Make(32);
        image.WithKernel("cd $M; mkdir d; echo upper > d/Twin; echo lower > d/twin; echo other > d/other");
        using var mount = new HostMount(kind, image: image);
        StandInClient client = mount.Client;
        Assert.Equal(["other", "Twin", "twin"], client.List(@"\d").Select(i => i.Name));
        using (NtFile upper = client.Create(@"\d\Twin", Access.Read, Disposition.Open))
        {
            Assert.False(upper.IsCached);
            Assert.Equal(NtStatus.SharingViolation, client.CreateStatus(@"\d\twin", Access.Read));
            Assert.Equal("upper\n"u8.ToArray(), upper.ReadAll());
        }
        using (NtFile lower = client.Create(@"\d\twin", Access.ReadWrite, Disposition.Open))
        {
            lower.Write(0, "LOWER"u8);
            Assert.Equal(6ul, lower.GetInfo().FileSize);
        }
        Assert.Equal("LOWER\n"u8.ToArray(), client.ReadAll(@"\d\twin"));
        Assert.Equal("upper\n"u8.ToArray(), client.ReadAll(@"\d\TWIN"));
        mount.Finish();
        Assert.Equal("upper\nLOWER\n", image.WithKernel("cat $M/d/Twin $M/d/twin"));
    }
}
