using WinLoop.Storage;

namespace WinLoop.CrashTests;

/// <summary>One operation of a recorded workload.</summary>
/// <param name="Text">The operation.</param>
/// <param name="Before">Entries of the log when it was issued.</param>
/// <param name="After">Entries of the log when it had returned.</param>
/// <param name="Outcome">What the engine answered.</param>
/// <param name="Node">The object whose content it changes; 0 for none.</param>
/// <param name="IsSplit">It took more than one transaction, so that a part of it may be found after a cut.</param>
internal sealed record Step(string Text, int Before, int After, Outcome Outcome, int Node, bool IsSplit);

/// <summary>What a persistence operation vouches for once it has returned.</summary>
/// <param name="Returned">Entries of the log by then.</param>
/// <param name="Prefix">Everything up to this step is there.</param>
/// <param name="Node">The object whose content is there as it was at <paramref name="Step"/>; 0 for all.</param>
/// <param name="Step">The step that promised.</param>
internal readonly record struct Promise(int Returned, int Prefix, int Node, int Step);

/// <summary>A version of a file's content.</summary>
internal readonly record struct Version(int Step, byte[] Content);

/// <summary>All that a workload did and was promised.</summary>
internal sealed class Recording
{
    /// <summary>The image when recording began.</summary>
    public required byte[] Base { get; init; }

    public required RecordedOperation[] Log { get; init; }

    /// <summary>Step 0 is the beginning.</summary>
    public required List<Step> Steps { get; init; }

    /// <summary>What every name shows after each step.</summary>
    public required List<Dictionary<string, TreeEntry>> Snapshots { get; init; }

    public required List<Promise> Promises { get; init; }

    /// <summary>The contents that each file had, oldest first.</summary>
    public required Dictionary<int, List<Version>> Versions { get; init; }

    /// <summary>Files whose content is not judged: an operation failed and what it has left could not be read.</summary>
    public IReadOnlySet<int> Uncertain { get; init; } = new HashSet<int>();

    public required int BlockSize { get; init; }
}
