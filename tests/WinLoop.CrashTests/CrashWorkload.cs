using WinLoop.Ext4;
using WinLoop.TestKit.FileSystems;

namespace WinLoop.CrashTests;

/// <summary>
/// Steps on the engine and the model side by side. After each step the model's lines are kept with the log
/// position, so that the judge knows which versions of each name a cut may leave.
/// </summary>
internal sealed class CrashWorkload : IDisposable
{
    /// <summary>The state after a step, and how far the log was.</summary>
    /// <param name="Text">What was done.</param>
    /// <param name="LogBefore">Log entries when the step began.</param>
    /// <param name="LogAfter">Log entries when it returned.</param>
    /// <param name="IsBarrier">True if everything up to here was promised to be durable.</param>
    /// <param name="Lines">The model's tree after the step, by path.</param>
    public sealed record Step(string Text, int LogBefore, int LogAfter, bool IsBarrier, Dictionary<string, string> Lines);

    private readonly CrashDevice _device;
    private readonly ModelFileSystem _model;
    private readonly EngineFileSystem _engine;

    public CrashWorkload(byte[] image, int blockSize)
    {
        Image = image;
        _device = new CrashDevice(image);
        _model = new ModelFileSystem((long)uint.MaxValue * blockSize, blockSize);
        _engine = new EngineFileSystem(() => Ext4Volume.Mount(_device, new Ext4MountOptions { UseBackgroundCommit = false, CacheBytes = 1 << 20 }));
        Steps.Add(new Step("start", 0, 0, true, Snapshot()));
    }

    public byte[] Image { get; }

    public IReadOnlyList<Recorded> Log => _device.Log;

    public List<Step> Steps { get; } = [];

    /// <summary>One step that has to answer the same on both.</summary>
    public void Do(string text, Func<IFileSystem, int> action)
    {
        int before = _device.Log.Count;
        int actual = action(_engine);
        int expected = action(_model);
        Assert.True(actual == expected, $"{text}: the engine answers {actual}, the model {expected}");
        Steps.Add(new Step(text, before, _device.Log.Count, false, Snapshot()));
    }

    /// <summary>A step of the generator.</summary>
    public void Next(OperationGenerator generator)
    {
        int before = _device.Log.Count;
        (string text, int[] errors, _) = generator.Next([_engine, _model]);
        Assert.True(errors[0] == errors[1], $"{text}: the engine answers {errors[0]}, the model {errors[1]}");
        Steps.Add(new Step(text, before, _device.Log.Count, text == "sync", Snapshot()));
    }

    /// <summary>sync: everything so far is promised.</summary>
    public void Sync()
    {
        int before = _device.Log.Count;
        _engine.SynchronizeAll();
        Steps.Add(new Step("sync", before, _device.Log.Count, true, Snapshot()));
    }

    public void Dispose() => _engine.Dispose();

    private Dictionary<string, string> Snapshot() => ByPath(_model.Dump());

    /// <summary>Lines by path, without times.</summary>
    public static Dictionary<string, string> ByPath(IEnumerable<string> lines) => lines.Select(WithoutTime).ToDictionary(l => l[..l.IndexOf(' ')]);

    private static string WithoutTime(string line)
    {
        int at = line.IndexOf(" m", StringComparison.Ordinal);
        return line[..at] + line[line.IndexOf(' ', at + 1)..];
    }
}
