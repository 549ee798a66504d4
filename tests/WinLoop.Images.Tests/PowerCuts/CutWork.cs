using WinLoop.Storage;

namespace WinLoop.Images.Tests.PowerCuts;

/// <summary>A workload for a small disk.</summary>
internal static class CutWork
{
    private const int MiB = 1 << 20;

    /// <summary>Random writes, zeroes and flushes.</summary>
    public static void Run(CutRecording recording, IBlockDevice disk, Random random, int count)
    {
        for (int i = 0; i < count; i++)
        {
            int length = random.Next(3) == 0 ? random.Next(1, 40_000) : 512 * random.Next(1, 20);
            int offset = random.Next((int)disk.Length - length);
            switch (random.Next(5))
            {
                case 0:
                    recording.Flush(disk);
                    break;
                case 1 when random.Next(2) == 0:
                    recording.Zero(disk, offset / MiB * MiB, Math.Min(MiB, (int)disk.Length - (offset / MiB * MiB)));
                    break;
                default:
                    byte[] data = new byte[length];
                    random.NextBytes(data);
                    recording.Write(disk, random.Next(2) == 0 ? offset : offset / 512 * 512, data);
                    break;
            }
        }
    }
}
