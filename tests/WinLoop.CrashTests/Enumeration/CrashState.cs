using WinLoop.Storage;

namespace WinLoop.CrashTests;

/// <summary>One change of an epoch that has reached the disk, perhaps in part.</summary>
internal readonly record struct Kept(int Index, Tear Tear)
{
    public override string ToString() => Index + Tear.ToString();
}

/// <summary>What is on the disk after a cut: everything before an epoch, and these of its changes. Its text is what a
/// failure prints and what the replay takes.</summary>
internal sealed record CrashState(int Epoch, Kept[] Changes)
{
    public override string ToString() => $"{Epoch}:{string.Join(',', Changes)}";

    public static CrashState Parse(string text)
    {
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        Kept[] changes = [.. text[(colon + 1)..].Split(',', StringSplitOptions.RemoveEmptyEntries).Select(part =>
        {
            string[] halves = part.Split('/');
            return new Kept(int.Parse(halves[0]), halves.Length > 1 ? Tear.Parse(halves[1]) : default);
        })];
        return new CrashState(int.Parse(text[..colon]), changes);
    }

    /// <summary>Applies it to a device on which all earlier epochs are.</summary>
    public void Apply(Epoch epoch, IBlockDevice device)
    {
        foreach (Kept kept in Changes)
        {
            kept.Tear.Apply(epoch.Changes[kept.Index], device);
        }
    }

    /// <summary>The kinds of writes that are lost or torn, as a bit mask over <see cref="WriteTag"/>.</summary>
    public int CutTags(Epoch epoch)
    {
        int tags = 0, at = 0;
        for (int i = 0; i < epoch.Changes.Count; i++)
        {
            bool isWhole = at < Changes.Length && Changes[at].Index == i && Changes[at].Tear.Pattern == TearPattern.Whole;
            at += at < Changes.Length && Changes[at].Index == i ? 1 : 0;
            tags |= isWhole ? 0 : 1 << (int)epoch.Changes[i].Tag;
        }
        return tags;
    }
}
