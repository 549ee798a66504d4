using WinLoop.Storage;

namespace WinLoop.CrashTests;

/// <summary>
/// The rules of the journal, asserted on the log itself: no commit block before what it commits is durable, nothing
/// behind a commit block before that one is, no tail moved before the home locations are durable, no log space used
/// again before the tail is.
/// </summary>
internal static class OrderRules
{
    /// <summary>The first breach; null if there is none.</summary>
    public static string? Breach(IReadOnlyList<RecordedOperation> log)
    {
        int pending = 0;
        bool movedTail = false, hasHomeWrites = false;
        foreach (RecordedOperation entry in log)
        {
            if (entry.Kind == RecordedKind.Flush)
            {
                pending = 0;
                movedTail = false;
                continue;
            }
            if (entry.Kind == RecordedKind.Mark)
            {
                continue;
            }
            string? broken = entry.Tag switch
            {
                _ when Has(WriteTag.JournalCommit) => "a write before the commit block is durable",
                WriteTag.JournalCommit when pending != 0 => "a commit block before what it commits is durable",
                WriteTag.JournalSuperblock when Has(WriteTag.Metadata) => "the tail moves before the home locations are durable",
                WriteTag.JournalDescriptor or WriteTag.JournalRevoke when movedTail => "log space is used before the new tail is durable",
                _ => null,
            };
            if (broken is not null)
            {
                return $"{broken}: {entry}";
            }
            hasHomeWrites |= entry.Tag == WriteTag.Metadata;
            if (entry.Tag == WriteTag.JournalSuperblock)
            {
                movedTail = hasHomeWrites;
                hasHomeWrites = false;
            }
            pending |= 1 << (int)entry.Tag;
        }
        return null;

        bool Has(WriteTag tag) => (pending >> (int)tag & 1) != 0;
    }
}
