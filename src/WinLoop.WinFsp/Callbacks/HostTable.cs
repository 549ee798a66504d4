namespace WinLoop.WinFsp.Callbacks;

/// <summary>The mounts of this process, by the number that stands in their FSP_FILE_SYSTEM. It keeps them alive
/// while WinFsp may call them.</summary>
internal static class HostTable
{
    private static readonly Lock Gate = new();
    private static CallbackTarget?[] s_targets = new CallbackTarget?[4];
    private static int s_count;

    /// <summary>Mounts that WinFsp may call.</summary>
    public static int Count => Volatile.Read(ref s_count);

    /// <summary>Gives a mount its number, which is never 0.</summary>
    public static ulong Add(CallbackTarget target)
    {
        lock (Gate)
        {
            int index = Array.IndexOf(s_targets, null);
            if (index < 0)
            {
                index = s_targets.Length;
                CallbackTarget?[] larger = new CallbackTarget?[index * 2];
                s_targets.CopyTo(larger, 0);
                Volatile.Write(ref s_targets, larger);
            }
            s_targets[index] = target;
            s_count++;
            return (ulong)index + 1;
        }
    }

    /// <summary>The mount of a number; null if it is none.</summary>
    public static CallbackTarget? Find(ulong key)
    {
        CallbackTarget?[] targets = Volatile.Read(ref s_targets);
        ulong index = key - 1;
        return index < (ulong)targets.Length ? targets[index] : null;
    }

    /// <summary>Ends a number.</summary>
    public static void Remove(ulong key)
    {
        lock (Gate)
        {
            if (Find(key) is not null)
            {
                s_targets[key - 1] = null;
                s_count--;
            }
        }
    }
}
