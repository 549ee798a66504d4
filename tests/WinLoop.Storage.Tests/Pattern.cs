namespace WinLoop.Storage.Tests;

/// <summary>Bytes that tell where they belong.</summary>
internal static class Pattern
{
    internal static byte[] Make(int length, int seed)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
