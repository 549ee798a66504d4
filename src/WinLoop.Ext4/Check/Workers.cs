using System.Runtime.ExceptionServices;

namespace WinLoop.Ext4.Check;

/// <summary>Runs the same work on several threads.</summary>
internal static class Workers
{
    /// <summary>Calls <paramref name="work"/> with 0 .. <paramref name="count"/> − 1 and waits for all.</summary>
    public static void Run(int count, Action<int> work)
    {
        if (count == 1)
        {
            work(0);
            return;
        }
        try
        {
            Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = count }, work);
        }
        catch (AggregateException e)
        {
            ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }
    }
}
