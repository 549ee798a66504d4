using System.Diagnostics;
using WinLoop.Ext4.Check;
using WinLoop.Ext4.Tests.Hostile;

namespace WinLoop.Ext4.Tests.Check;

/// <summary>Many small states are judged quickly, with the memory of one.</summary>
public class CheckSpeedTests(ITestOutputHelper output)
{
    private const int Rounds = 200;

    [Fact]
    public void Small_volumes_take_about_a_millisecond()
    {
        var session = new CheckSession();
        foreach (HostileSeed seed in HostileCorpus.Make())
        {
            var device = new HostileDevice(seed.Image) { IsReadOnly = true };
            CheckReport first = session.Check(device);
            var watch = Stopwatch.StartNew();
            for (int i = 0; i < Rounds; i++)
            {
                Assert.Equal(first.Findings, session.Check(device).Findings);
            }
            double rate = Rounds / watch.Elapsed.TotalSeconds;
            output.WriteLine($"{seed.Name}, {seed.Image.Length >> 20} MiB: {rate:F0} a second");
            Assert.True(rate > 50, $"{seed.Name}: {rate:F0} states a second");
        }
    }
}
