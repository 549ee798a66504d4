namespace WinLoop.CrashTests;

/// <summary>
/// Compares a recovered tree with what the workload was promised. Names and attributes have to be those after some
/// step between the last promise and the last issued operation: transactions are durable in order and as a whole, so
/// that a rename is done or not, what was deleted and synced stays deleted, and nothing is half there. Content may in
/// addition hold any of the versions since the promise that vouched for it, byte for byte, and nothing else.
/// </summary>
internal sealed class PromiseJudge(Recording recording)
{
    /// <summary>What an image may be after a cut.</summary>
    /// <param name="First">The oldest step whose tree it may show.</param>
    /// <param name="Last">The newest.</param>
    /// <param name="End">Entries of the log that were written when the power went.</param>
    public readonly record struct Window(int First, int Last, int End);

    /// <summary>The window of an epoch.</summary>
    public Window WindowOf(Epoch epoch)
    {
        int last = recording.Steps.FindLastIndex(s => s.Before <= epoch.End);
        int first = 0;
        foreach (Promise promise in recording.Promises)
        {
            if (promise.Returned <= epoch.End)
            {
                first = Math.Max(first, promise.Prefix);
            }
        }
        return new Window(first, last, epoch.End);
    }

    /// <summary>Throws <see cref="CrashViolation"/> if the tree breaks a promise.</summary>
    public void Judge(Dictionary<string, RecoveredTree.Item> tree, Window window)
    {
        string? contentFault = null;
        // The newest first: it is the likeliest.
        for (int step = window.Last; step >= window.First; step--)
        {
            if (!MatchesNames(tree, step, window.Last))
            {
                continue;
            }
            string? fault = ContentFault(tree, step, window);
            if (fault is null)
            {
                return;
            }
            contentFault ??= fault;
        }
        if (contentFault is not null)
        {
            throw new CrashViolation(contentFault + Since(window));
        }
        string oldest = TreeComparison.Difference(tree, recording.Snapshots[window.First], withContent: false) ?? "nothing";
        string newest = TreeComparison.Difference(tree, recording.Snapshots[window.Last], withContent: false) ?? "nothing";
        throw new CrashViolation($"the tree is that of no moment since the last promise.\n  Against the promise:\n    {oldest}\n  " +
            $"Against the last operation:\n    {newest}{Since(window)}");
    }

    private string Since(Window window) =>
        $"\n  Promised was step {window.First} ({recording.Steps[window.First].Text}), since then: " +
        CrashWorkload.Shortened(string.Join("; ", recording.Steps[(window.First + 1)..(window.Last + 1)].Select(s => s.Text)));

    private bool MatchesNames(Dictionary<string, RecoveredTree.Item> tree, int step, int last)
    {
        Dictionary<string, TreeEntry> expected = recording.Snapshots[step];
        if (tree.Count != expected.Count)
        {
            return false;
        }
        // The object of the operation that follows this step, if a part of it may be there already.
        int split = step < last && recording.Steps[step + 1].IsSplit ? recording.Steps[step + 1].Node : 0;
        foreach ((string path, TreeEntry entry) in expected)
        {
            if (!tree.TryGetValue(path, out RecoveredTree.Item? item) || item.Entry.Line != entry.Line ||
                (item.Entry.Content is null) != (entry.Content is null))
            {
                return false;
            }
            if (item.Entry.Content is not { } content || recording.Uncertain.Contains(entry.Node) || content.Length == entry.Content!.Length)
            {
                continue;
            }
            if (entry.Node != split || !IsBetween(content.Length, entry.Content.Length, LengthAt(entry.Node, step + 1)))
            {
                return false;
            }
        }
        return true;
    }

    private int LengthAt(int node, int step) => recording.Versions[node].FindLast(v => v.Step <= step).Content.Length;

    private static bool IsBetween(int value, int a, int b) => value >= Math.Min(a, b) && value <= Math.Max(a, b);

    private string? ContentFault(Dictionary<string, RecoveredTree.Item> tree, int step, Window window)
    {
        foreach ((string path, TreeEntry entry) in recording.Snapshots[step])
        {
            byte[]? actual = tree[path].Entry.Content;
            if (actual is not null && !recording.Uncertain.Contains(entry.Node) && !actual.AsSpan().SequenceEqual(entry.Content) && Fault(path, entry.Node, actual, step, window) is { } fault)
            {
                return fault;
            }
        }
        return null;
    }

    private string? Fault(string path, int node, byte[] actual, int step, Window window)
    {
        int vouched = 0;
        foreach (Promise promise in recording.Promises)
        {
            if (promise.Returned <= window.End && (promise.Node == 0 || promise.Node == node))
            {
                vouched = Math.Max(vouched, promise.Step);
            }
        }
        List<Version> versions = recording.Versions[node];
        int first = Math.Max(0, versions.FindLastIndex(v => v.Step <= vouched));
        int last = versions.FindLastIndex(v => v.Step <= window.Last);
        bool isSplit = recording.Steps[Math.Min(step + 1, window.Last)] is { IsSplit: true } next && next.Node == node;
        for (int at = 0; at < actual.Length; at++)
        {
            bool isAllowed = false;
            for (int v = last; v >= first && !isAllowed; v--)
            {
                byte[] content = versions[v].Content;
                isAllowed = at < content.Length && content[at] == actual[at];
            }
            if (!isAllowed && !(actual[at] == 0 && (isSplit || IsCutOff(versions, first, last, at))))
            {
                string what = actual[at] == Content.Stale ? "the old content of a free block" : $"0x{actual[at]:X2}";
                return $"'{path}' (as of step {step}) has {what} at byte {at} of {actual.Length}, which none of its {last - first + 1} " +
                    $"versions since step {vouched} has there ({string.Join(", ", versions[first..(last + 1)].Select(v => $"step {v.Step}: {Byte(v.Content, at)}"))})";
            }
        }
        return null;
    }

    private static string Byte(byte[] content, int at) => at < content.Length ? $"0x{content[at]:X2}" : "behind the end";

    // A truncate zeroes the rest of its last block before the size shrinks, as Linux does.
    private bool IsCutOff(List<Version> versions, int first, int last, int at)
    {
        for (int v = Math.Max(first, 1); v <= last; v++)
        {
            int length = versions[v].Content.Length;
            if (length < versions[v - 1].Content.Length && at >= length && at < (length + recording.BlockSize - 1) / recording.BlockSize * recording.BlockSize)
            {
                return true;
            }
        }
        return false;
    }
}
