using WinLoop.Ext4;
using WinLoop.Storage;

namespace WinLoop.CrashTests;

/// <summary>A sequence of operations on an image; the end is always an unmount.</summary>
/// <param name="Family">What kind of workload it is.</param>
/// <param name="Image">Name of a <see cref="CrashImage"/>.</param>
/// <param name="Seed">Of the enumerator's random choices.</param>
/// <param name="WarmUp">Done before recording begins, and synced.</param>
/// <param name="Operations">What is recorded and cut.</param>
internal sealed record CrashWorkload(string Family, string Image, int Seed, string[] WarmUp, string[] Operations)
{
    /// <summary>Runs it and records what reaches the device.</summary>
    /// <param name="mutant">A defect to build in; null for none.</param>
    public Recording Record(Mutant? mutant = null)
    {
        CrashImage image = CrashImage.Get(Image);
        using var clock = new TestClock(TestClock.Start);
        using var memory = new MemoryDevice(image.Bytes);
        using var recorder = new RecordingDevice(memory) { IsRecording = false };
        var run = new WorkloadRun(image, recorder, mutant);
        foreach (string operation in WarmUp)
        {
            run.WarmUp(operation);
        }
        run.EndWarmUp();
        byte[] start = new byte[memory.Length];
        memory.Read(start, 0);
        recorder.IsRecording = true;
        run.Begin();
        foreach (string operation in Operations)
        {
            run.Do(operation);
        }
        run.Do("unmount");
        return run.Finish(start);
    }

    public override string ToString() => $"{Family} on {Image}, seed {Seed}: {Shortened(string.Join("; ", Operations))}" +
        (WarmUp.Length > 0 ? $" (after {WarmUp.Length} operations of warm-up)" : "");

    // The replay file has it all.
    public static string Shortened(string text) => text.Length <= 1000 ? text : $"{text[..500]} ... {text[^500..]}";
}
