namespace WinLoop.TestKit;

/// <summary>What code allocates.</summary>
public static class Allocations
{
    /// <summary>
    /// Bytes that an action allocates on this thread: the least of ten times, because a collection that another thread
    /// asks for counts what is left of this thread's buffer as allocated, and the runtime compiles methods again when it likes.
    /// </summary>
    public static long Of(Action action)
    {
        long least = long.MaxValue;
        for (int i = 0; i < 10 && least > 0; i++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            action();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        return least;
    }
}
