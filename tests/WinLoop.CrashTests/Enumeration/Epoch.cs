using WinLoop.Storage;

namespace WinLoop.CrashTests;

/// <summary>
/// What lies between two flushes of a recorded log: changes of which a power cut may keep any part, because the
/// second flush has not returned.
/// </summary>
/// <param name="Number">0 for the first.</param>
/// <param name="Changes">The writes, zeroings and discards, in order.</param>
/// <param name="End">Index in the log of the flush that ends the epoch; the log's length for the last one.</param>
internal sealed record Epoch(int Number, IReadOnlyList<RecordedOperation> Changes, int End)
{
    /// <summary>Cuts a log of one thread, where every entry has returned before the next begins.</summary>
    public static List<Epoch> Split(IReadOnlyList<RecordedOperation> log)
    {
        var epochs = new List<Epoch>();
        var changes = new List<RecordedOperation>();
        for (int i = 0; i <= log.Count; i++)
        {
            if (i < log.Count && log[i].Kind != RecordedKind.Flush)
            {
                if (log[i].IsChange && log[i].Length > 0)
                {
                    changes.Add(log[i]);
                }
                continue;
            }
            // Two flushes in a row: nothing is pending, but promises were made; the state is that of the durable part.
            epochs.Add(new Epoch(epochs.Count, changes, i));
            changes = [];
        }
        return epochs;
    }
}
