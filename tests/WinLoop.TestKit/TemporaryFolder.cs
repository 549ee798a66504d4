namespace WinLoop.TestKit;

/// <summary>A folder for one test.</summary>
public sealed class TemporaryFolder : IDisposable
{
    /// <summary>Its path.</summary>
    public string Path { get; } = Directory.CreateTempSubdirectory("winloop-test-").FullName;

    /// <summary>Makes a sparse file in it.</summary>
    /// <returns>Its path.</returns>
    public string File(string name, long length = 0)
    {
        string path = System.IO.Path.Combine(Path, name);
        using FileStream file = System.IO.File.Create(path);
        file.SetLength(length);
        return path;
    }

    /// <summary>Deletes it with all in it.</summary>
    public void Dispose() => Directory.Delete(Path, recursive: true);
}
