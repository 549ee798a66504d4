namespace WinLoop.CrashTests;

/// <summary>Compares what a volume shows with what it should.</summary>
internal static class TreeComparison
{
    /// <summary>The first differences; null if there is none.</summary>
    public static string? Difference(Dictionary<string, RecoveredTree.Item> actual, Dictionary<string, TreeEntry> expected, bool withContent = true)
    {
        var lines = new List<string>();
        foreach (string path in actual.Keys.Union(expected.Keys).Order(StringComparer.Ordinal))
        {
            TreeEntry? a = actual.GetValueOrDefault(path)?.Entry, e = expected.GetValueOrDefault(path);
            if (a is null || e is null || a.Line != e.Line || a.Content?.Length != e.Content?.Length ||
                (withContent && a.Content is not null && !a.Content.AsSpan().SequenceEqual(e.Content)))
            {
                lines.Add($"'{path}' is {a?.ToString() ?? "absent"}, not {e?.ToString() ?? "absent"}");
            }
        }
        return lines.Count == 0 ? null : string.Join("\n    ", lines.Take(6));
    }

    /// <summary>The first differences between two views of one state, times included; null if there is none.</summary>
    public static string? Difference(Dictionary<string, RecoveredTree.Item> ours, Dictionary<string, RecoveredTree.Item> theirs)
    {
        string? difference = Difference(ours, theirs.ToDictionary(i => i.Key, i => i.Value.Entry));
        return difference ?? ours.Where(i => theirs[i.Key].Times != i.Value.Times)
            .Select(i => $"'{i.Key}' has the times {i.Value.Times}, not {theirs[i.Key].Times}").FirstOrDefault();
    }
}
