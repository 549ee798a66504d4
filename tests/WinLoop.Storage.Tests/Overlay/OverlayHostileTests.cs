using System.Buffers.Binary;
using WinLoop.Storage.Overlay;

namespace WinLoop.Storage.Tests.Overlay;

public sealed class OverlayHostileTests
{
    private const int Mutations = 20_000;

    [Fact]
    public void Mutated_files_are_refused_by_one_clear_exception_or_read()
    {
        byte[] content = Pattern.Make(300_000, 1);
        var image = new MemoryDevice(content, isReadOnly: true);
        MemoryFile file = OverlayBench.NewFile(image);
        using (OverlayFileDevice device = OverlayBench.Open(image, file))
        {
            device.Write(Pattern.Make(50_000, 2), 10_000);
            device.WriteZeroes(100_000, 30_000);
            device.Flush();
        }

        byte[] good = OverlayBench.All(file);
        byte[] all = new byte[content.Length];
        int seed = Environment.TickCount;
        var random = new Random(seed);
        int refused = 0, read = 0;
        for (int i = 0; i < Mutations; i++)
        {
            byte[] bad = Mutate(good, random);
            try
            {
                using OverlayFileDevice device = OverlayBench.Open(image, new MemoryFile(bad));
                device.Read(all, 0);
                device.Write(all.AsSpan(0, 5000), 777);
                device.Flush();
                read++;
            }
            catch (OverlayException e) when (e.Message.Length > 10 && !e.Message.Contains('\n', StringComparison.Ordinal))
            {
                refused++;
            }
            catch (Exception e) when (e is not Xunit.Sdk.IAssertionException)
            {
                Assert.Fail($"seed {seed}, mutation {i}: {e}");
            }

            if (i % 10 == 0)
            {
                CommitMutated(bad, content, seed, i);
            }
        }

        Assert.True(refused > Mutations / 4 && read > 100, $"{refused} refused, {read} read");
        Assert.True(content.AsSpan().SequenceEqual(OverlayBench.All(image)), "the base has changed");
    }

    private static void CommitMutated(byte[] bad, byte[] content, int seed, int number)
    {
        try
        {
            OverlayCommit.Run(new MemoryFile(bad), new MemoryDevice(content), OverlayBench.Time, OverlayBench.Time);
        }
        catch (OverlayException)
        {
            // Refused.
        }
        catch (Exception e)
        {
            Assert.Fail($"seed {seed}, commit of mutation {number}: {e}");
        }
    }

    private static byte[] Mutate(byte[] good, Random random)
    {
        byte[] bad = (byte[])good.Clone();
        int head = OverlayLayout.MapOffset + 512;
        switch (random.Next(8))
        {
            case 0:
                return bad[..random.Next(bad.Length)];
            case 1:
                return [.. bad, .. new byte[random.Next(1, 10_000)]];
            case 2:
                bad.AsSpan(random.Next(8) * 512, 512).Clear();
                break;
            case 3: // a whole sector of garbage
                random.NextBytes(bad.AsSpan(random.Next(9) * 512, 512));
                break;
            case 4: // numbers that are wrong, and a checksum that is right
                int field = new[] { 8, 12, 32, 36, 40, 56, 60, 64, 68 }[random.Next(9)];
                BinaryPrimitives.WriteUInt32LittleEndian(bad.AsSpan(field), random.Next(2) == 0 ? uint.MaxValue : (uint)random.Next());
                Seal(bad.AsSpan(0, 512), 508);
                break;
            case 5: // a map that says what cannot be, with a checksum that is right
                random.NextBytes(bad.AsSpan(OverlayLayout.MapOffset + random.Next(4, 500), 8));
                BinaryPrimitives.WriteUInt32LittleEndian(bad.AsSpan(OverlayLayout.MapOffset), Crc32.Compute(bad.AsSpan(OverlayLayout.MapOffset + 4, 508)));
                break;
            case 6: // states
                int slot = OverlayLayout.StateOffset + (random.Next(2) * 512);
                "WLOS"u8.CopyTo(bad.AsSpan(slot));
                BinaryPrimitives.WriteUInt32LittleEndian(bad.AsSpan(slot + 4), (uint)random.Next(5));
                BinaryPrimitives.WriteInt64LittleEndian(bad.AsSpan(slot + 8), random.NextInt64());
                Seal(bad.AsSpan(slot, 512), 508);
                break;
            default:
                for (int flips = random.Next(1, 4); flips > 0; flips--)
                {
                    bad[random.Next(head)] ^= (byte)(1 << random.Next(8));
                }

                break;
        }

        return bad;
    }

    private static void Seal(Span<byte> sector, int checksum) =>
        BinaryPrimitives.WriteUInt32LittleEndian(sector[checksum..], Crc32.Compute(sector[..checksum]));
}
