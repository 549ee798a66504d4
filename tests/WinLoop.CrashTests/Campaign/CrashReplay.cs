using System.Globalization;
using System.Text;
using WinLoop.Storage;

namespace WinLoop.CrashTests;

/// <summary>A failure as a file, and the command that shows it again.</summary>
internal static class CrashReplay
{
    /// <summary>The variable that names the file.</summary>
    public const string Variable = "WINLOOP_CRASH_REPLAY";

    /// <summary>The report of a failure: what, where, how to see it again.</summary>
    public static string Report(CrashFailure failure, string? mutant = null)
    {
        string path = Write(failure, mutant);
        var text = new StringBuilder(failure.Message);
        text.AppendLine().AppendLine(CultureInfo.InvariantCulture, $"Workload: {failure.Workload}");
        if (failure.State is { } state)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"State: epoch {state.Epoch}, kept {{{string.Join(',', state.Changes)}}}{(failure.Again is { } again ? $", then epoch {again.Epoch} of the recovery, kept {{{string.Join(',', again.Changes)}}}" : "")}");
            Epoch epoch = Epoch.Split(failure.Workload.Record(mutant is null ? null : new Mutant(mutant)).Log)[state.Epoch];
            for (int i = 0; i < epoch.Changes.Count; i++)
            {
                RecordedOperation change = epoch.Changes[i];
                Kept? kept = state.Changes.Cast<Kept?>().FirstOrDefault(k => k!.Value.Index == i);
                string fate = kept is null ? "lost" : kept.Value.Tear.Pattern == TearPattern.Whole ? "there" : $"torn{kept.Value.Tear}";
                text.AppendLine(CultureInfo.InvariantCulture, $"  {i} {change.Tag} {change.Kind} at {change.Offset}, {change.Length} bytes: {fate}");
            }
        }
        text.AppendLine("To see it again:");
        text.AppendLine(CultureInfo.InvariantCulture, $"  {Variable}={path} tests/WinLoop.CrashTests/bin/Release/net10.0/WinLoop.CrashTests -class WinLoop.CrashTests.ReplayTests -explicit on");
        return text.ToString();
    }

    /// <summary>Writes the file and returns its path.</summary>
    public static string Write(CrashFailure failure, string? mutant)
    {
        string path = Path.Combine(Path.GetTempPath(), $"winloop-crash-{Guid.NewGuid():n}.txt");
        File.WriteAllLines(path,
        [
            $"family {failure.Workload.Family}", $"image {failure.Workload.Image}", $"seed {failure.Workload.Seed}", $"mutant {mutant ?? "none"}",
            $"state {failure.State?.ToString() ?? "all"}", $"again {failure.Again?.ToString() ?? "none"}",
            .. failure.Workload.WarmUp.Select(l => "warm-up " + l), .. failure.Workload.Operations.Select(l => "do " + l),
        ]);
        return path;
    }

    /// <summary>Reads the file; a state of "all" is null.</summary>
    public static (CrashFailure Failure, string? Mutant) Read(string path)
    {
        (string Key, string Value)[] lines = [.. File.ReadAllLines(path).Where(l => l.Length > 0).Select(l => (l.Split(' ')[0], l[(l.IndexOf(' ', StringComparison.Ordinal) + 1)..]))];
        string Get(string key) => lines.Single(l => l.Key == key).Value;
        string[] All(string key) => [.. lines.Where(l => l.Key == key).Select(l => l.Value)];
        var workload = new CrashWorkload(Get("family"), Get("image"), int.Parse(Get("seed"), CultureInfo.InvariantCulture), All("warm-up"), All("do"));
        CrashState? state = Get("state") == "all" ? null : CrashState.Parse(Get("state"));
        CrashState? again = Get("again") == "none" ? null : CrashState.Parse(Get("again"));
        return (new CrashFailure(workload, state, again, ""), Get("mutant") == "none" ? null : Get("mutant"));
    }
}
