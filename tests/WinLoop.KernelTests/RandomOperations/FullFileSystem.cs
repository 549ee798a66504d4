using WinLoop.TestKit.FileSystems;

namespace WinLoop.KernelTests.RandomOperations;

/// <summary>
/// The engine on a volume that runs out of space, beside a model that never does. A name operation that found
/// no space must have changed nothing; one on content may have done a part of its range and nothing outside.
/// </summary>
internal sealed class FullFileSystem(EngineFileSystem engine, ModelFileSystem model, string ballast) : IFileSystem
{
    private const int NoSpace = 28;

    private bool _mustCompare;
    private string? _wrong;

    /// <summary>Steps that found no space.</summary>
    public int Failures { get; private set; }

    /// <summary>Fails if the step just done was wrong.</summary>
    public void Finish(string step, int number)
    {
        Assert.True(_wrong is null, $"{number}: {step}: {_wrong}");
        if (_mustCompare)
        {
            _mustCompare = false;
            AssertSame($"{number}: {step}");
        }
    }

    /// <summary>Compares the trees.</summary>
    public void AssertSame(string when)
    {
        List<string> expected = Lines(model), actual = Lines(engine);
        string difference = string.Join('\n', actual.Except(expected).Take(5).Select(l => "+ " + l).Concat(expected.Except(actual).Take(5).Select(l => "- " + l)));
        Assert.True(difference.Length == 0, $"engine (+) against model (-):\n{difference}\nafter {when}");
    }

    public int Create(string path, ushort mode) => Whole(fs => fs.Create(path, mode));
    public int MakeDirectory(string path, ushort mode) => Whole(fs => fs.MakeDirectory(path, mode));
    public int MakeNode(string path, ushort mode, uint device) => Whole(fs => fs.MakeNode(path, mode, device));
    public int Symlink(string path, string target) => Whole(fs => fs.Symlink(path, target));
    public int Link(string from, string to) => Whole(fs => fs.Link(from, to));
    public int Unlink(string path) => Always(fs => fs.Unlink(path));
    public int RemoveDirectory(string path) => Always(fs => fs.RemoveDirectory(path));
    public int Rename(string from, string to, int flags) => Whole(fs => fs.Rename(from, to, flags));
    public int Write(string path, long offset, byte[] data) => Partly(fs => fs.Write(path, offset, data), path, offset, data.Length, data, mayBeShort: true);
    public int Truncate(string path, long size) => Always(fs => fs.Truncate(path, size));
    public int SetAttribute(string path, string name, byte[] value, int flags) => Whole(fs => fs.SetAttribute(path, name, value, flags));
    public int RemoveAttribute(string path, string name) => Whole(fs => fs.RemoveAttribute(path, name));
    public int SetMode(string path, ushort mode) => Always(fs => fs.SetMode(path, mode));
    public int SetOwner(string path, uint uid, uint gid) => Always(fs => fs.SetOwner(path, uid, gid));
    public int SetTimes(string path, long seconds, uint nanoseconds) => Always(fs => fs.SetTimes(path, seconds, nanoseconds));
    public int Synchronize(string path) => Always(fs => fs.Synchronize(path));
    public void SynchronizeAll() => engine.SynchronizeAll();
    public void Remount() => engine.Remount();
    public List<string> Dump() => Lines(engine);

    public int Allocate(string path, int mode, long offset, long length) => mode is 8 or 0x20
        ? Whole(fs => fs.Allocate(path, mode, offset, length))
        : Partly(fs => fs.Allocate(path, mode, offset, length), path, offset, (int)length, mode is 0 or 1 ? null : new byte[length], mayBeShort: false);

    public (int Error, byte[] Data) Read(string path, long offset, int length)
    {
        (int error, byte[] data) = engine.Read(path, offset, length);
        (int expected, byte[] content) = model.Read(path, offset, length);
        if (error != expected || !data.AsSpan().SequenceEqual(content))
        {
            _wrong = $"read answers {error} and {data.Length} bytes, expected {expected} and {content.Length}";
        }
        return (error, data);
    }

    public void Dispose()
    {
    }

    // All or nothing.
    private int Whole(Func<IFileSystem, int> step)
    {
        int error = step(engine);
        if (error == NoSpace)
        {
            Failures++;
            _mustCompare = true;
            return error;
        }
        return Expect(error, step(model));
    }

    // Needs no space.
    private int Always(Func<IFileSystem, int> step) => Expect(step(engine), step(model));

    private int Expect(int error, int expected)
    {
        if (error != expected)
        {
            _wrong = $"answers {error}, expected {expected}";
        }
        return error;
    }

    // Any part of the range may have its new bytes (null: only old ones); the model learns which.
    private int Partly(Func<IFileSystem, int> step, string path, long offset, int length, byte[]? data, bool mayBeShort)
    {
        byte[] old = model.Read(path, offset, length).Data;
        int error = step(engine);
        bool isShort = error == 0 && mayBeShort && !engine.Read(path, offset, length).Data.AsSpan().SequenceEqual(data);
        if (error != NoSpace && !isShort)
        {
            return Expect(error, step(model));
        }
        Failures += error == NoSpace ? 1 : 0;
        _mustCompare = true;
        byte[] now = engine.Read(path, offset, length).Data;
        for (int i = 0; i < now.Length; i++)
        {
            if (now[i] != data?[i] && now[i] != (i < old.Length ? old[i] : 0))
            {
                _wrong = $"byte {offset + i} is neither the old nor the new one";
                return error;
            }
        }
        if (now.Length > 0)
        {
            model.Write(path, offset, now);
        }
        model.Truncate(path, engine.Size(path));
        return error;
    }

    // Without times: a step that did a part may have set them or not. Without the file that fills the volume.
    private List<string> Lines(IFileSystem files) => files.Dump().Where(l => !l.StartsWith(ballast + " ", StringComparison.Ordinal)).Select(WithoutTime).ToList();

    private static string WithoutTime(string line)
    {
        int at = line.IndexOf(" m", StringComparison.Ordinal);
        return line[..at] + line[line.IndexOf(' ', at + 1)..];
    }
}
