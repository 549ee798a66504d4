namespace WinLoop.CrashTests;

/// <summary>What the workloads write. No byte is ever 0, which is what a hole reads as, or <see cref="Stale"/>.</summary>
internal static class Content
{
    /// <summary>Fills the free blocks of every image before a workload: whoever reads it reads old bytes.</summary>
    public const byte Stale = 0xEE;

    /// <summary>Bytes that are found nowhere else: each (seed, position) has its own.</summary>
    public static byte[] Of(int seed, int length)
    {
        var bytes = new byte[length];
        ulong state = (ulong)(uint)seed * 0x9E3779B97F4A7C15 + 1;
        for (int i = 0; i < length; i++)
        {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes[i] = (byte)((state & 0x7F) | (uint)((state & 0x7F) == 0 ? 1 : 0));
        }
        return bytes;
    }
}
