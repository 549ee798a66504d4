namespace WinLoop.Storage.Tests;

/// <summary>A folder for one test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    internal string Path { get; } = Directory.CreateTempSubdirectory("winloop-storage-").FullName;

    internal string File(string name, long length = 0)
    {
        string path = System.IO.Path.Combine(Path, name);
        using FileStream file = System.IO.File.Create(path);
        file.SetLength(length);
        return path;
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}

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
