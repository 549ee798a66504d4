using System.Security.Cryptography;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>Random content with a seed that the test's output names, and its sum as sha256sum prints it.</summary>
internal static class RandomContent
{
    /// <summary>A generator; its seed is written to the output of the test.</summary>
    public static Random NewRandom()
    {
        int seed = Random.Shared.Next();
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        return new Random(seed);
    }

    /// <summary>That many bytes.</summary>
    public static byte[] Bytes(this Random random, int count)
    {
        byte[] bytes = new byte[count];
        random.NextBytes(bytes);
        return bytes;
    }

    /// <summary>In hexadecimal.</summary>
    public static string Sum(ReadOnlySpan<byte> content) => Convert.ToHexStringLower(SHA256.HashData(content));
}
