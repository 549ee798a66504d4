using WinLoop.Ext4.Allocation;

namespace WinLoop.Ext4.Tests.Allocation;

public sealed class BitmapTests
{
    private const int Bits = 640;

    [Fact]
    public void SearchesAgreeWithWalkingBitByBit()
    {
        int seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        var random = new Random(seed);
        for (int round = 0; round < 3000; round++)
        {
            bool[] bits = Make(random);
            ulong[] words = Pack(bits);
            int from = random.Next(Bits + 1), to = random.Next(from, Bits + 1);
            Assert.Equal(Walk(bits, from, Bits, wanted: false), Bitmap.NextZero(words, from));
            Assert.Equal(Walk(bits, from, to, wanted: true), Bitmap.NextOne(words, from, to));
            Assert.Equal(Array.LastIndexOf(bits[..from], true), Bitmap.PreviousOne(words, from));
            Assert.Equal(bits.Count(b => !b), Bitmap.CountZeroes(words));
            Assert.Equal(bits[from..to].All(b => b), Bitmap.AreSet(words, from, to - from));
            Assert.Equal(!bits[from..to].Any(b => b), Bitmap.AreClear(words, from, to - from));

            int wanted = random.Next(1, 80);
            BitRun best = default;
            BitRun found = Bitmap.FindRun(words, from, to, wanted, ref best);
            (BitRun expected, int longest) = FindNaively(bits, from, to, wanted);
            Assert.Equal(expected, found);
            if (found.Length == 0)
            {
                Assert.Equal(longest, best.Length);
                Assert.True(longest == 0 || bits[best.Start..best.End].All(b => !b));
            }
        }
    }

    [Fact]
    public void ChangesTouchTheRangeAndNothingElse()
    {
        int seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        var random = new Random(seed);
        for (int round = 0; round < 3000; round++)
        {
            bool[] bits = Make(random);
            ulong[] words = Pack(bits);
            int from = random.Next(Bits + 1), length = random.Next(Bits - from + 1);
            bool value = random.Next(2) == 0;
            if (value)
            {
                Bitmap.Set(words, from, length);
            }
            else
            {
                Bitmap.Clear(words, from, length);
            }
            Array.Fill(bits, value, from, length);
            Assert.Equal(Pack(bits), words);
        }
    }

    private static bool[] Make(Random random)
    {
        var bits = new bool[Bits];
        bool value = random.Next(2) == 0;
        // Runs of very different lengths, so that whole words of each kind come up.
        for (int at = 0; at < Bits;)
        {
            int run = Math.Min(1 << random.Next(0, 9), Bits - at);
            Array.Fill(bits, value, at, run);
            value = !value;
            at += run;
        }
        return bits;
    }

    private static ulong[] Pack(bool[] bits)
    {
        var words = new ulong[Bits / 64];
        for (int i = 0; i < Bits; i++)
        {
            words[i / 64] |= bits[i] ? 1UL << (i % 64) : 0;
        }
        return words;
    }

    private static int Walk(bool[] bits, int from, int to, bool wanted)
    {
        while (from < to && bits[from] != wanted)
        {
            from++;
        }
        return from;
    }

    private static (BitRun Found, int Longest) FindNaively(bool[] bits, int from, int stop, int wanted)
    {
        int longest = 0;
        for (int at = from; at < stop;)
        {
            if (bits[at])
            {
                at++;
                continue;
            }
            int end = Walk(bits, at, Bits, wanted: true);
            if (end - at >= wanted)
            {
                return (new BitRun(at, wanted), 0);
            }
            longest = Math.Max(longest, end - at);
            at = end;
        }
        return (default, longest);
    }
}
