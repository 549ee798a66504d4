using System.Diagnostics;
using WinLoop.Ext4.Inodes;

namespace WinLoop.Ext4.Tests.Inodes;

/// <summary>The lock of an inode under threads that come and go.</summary>
public sealed class InodeLockTests
{
    [Theory]
    [InlineData(4, 0.5), InlineData(3, 0.1), InlineData(8, 0.9)]
    public async Task Threads_exclude_each_other_and_all_get_in(int threads, double writers)
    {
        var inode = new Inode(12);
        int inside = 0;
        bool isWrong = false;
        Task[] workers = [.. Enumerable.Range(0, threads).Select(thread => Task.Factory.StartNew(
            () =>
            {
                var random = new Random(thread);
                for (int i = 0; i < 300_000; i++)
                {
                    if (random.NextDouble() < writers)
                    {
                        inode.Lock.EnterWrite();
                        isWrong |= Interlocked.Exchange(ref inside, -1) != 0;
                        Thread.SpinWait(random.Next(20));
                        Volatile.Write(ref inside, 0);
                        inode.Lock.ExitWrite();
                    }
                    else
                    {
                        inode.Lock.EnterRead();
                        isWrong |= Interlocked.Increment(ref inside) <= 0;
                        Thread.SpinWait(random.Next(20));
                        Interlocked.Decrement(ref inside);
                        inode.Lock.ExitRead();
                    }
                }
            },
            TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default))];
        await Task.WhenAll(workers).WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        Assert.False(isWrong);
    }
}
