using System.Collections.Concurrent;
using System.Diagnostics;
using WinLoop.TestKit;

namespace WinLoop.Storage.Tests;

public sealed class RequestQueueTests
{
    [Fact]
    public void Execute_runs_on_the_callers_thread_and_completes_once()
    {
        var handler = new Handler((_, _) => QueueStatus.Ok);
        using var queue = new RequestQueue(handler);
        var request = new TestRequest();
        Assert.Equal(QueueStatus.Ok, queue.Execute(request));
        Assert.Equal(Environment.CurrentManagedThreadId, request.Thread);
        Assert.Equal(1, request.Completions);
        Assert.Equal(QueueStatus.Ok, request.Status);
        Assert.Equal(-1, request.Tag);
        Assert.InRange(request.TagSeen, 0, queue.Depth - 1);
        Assert.Equal(0, queue.InFlight);
        Assert.True(request.EndTimestamp >= request.StartTimestamp);
    }

    [Fact]
    public void Execute_allocates_nothing()
    {
        using var queue = new RequestQueue(new Handler((_, _) => QueueStatus.Ok));
        var request = new TestRequest { Bytes = 4096 };
        for (int i = 0; i < 100; i++)
        {
            queue.Execute(request);
        }

        Assert.Equal(0, Allocations.Of(() =>
        {
            for (int i = 0; i < 10_000; i++)
            {
                queue.Execute(request);
            }
        }));
    }

    [Fact]
    public void A_busy_request_is_issued_again_and_the_caller_does_not_notice()
    {
        var handler = new Handler((_, call) => call <= 3 ? QueueStatus.Busy : QueueStatus.Ok);
        using var queue = new RequestQueue(handler, new() { RequeueDelay = TimeSpan.FromMilliseconds(5) });
        var request = new TestRequest();
        long start = Stopwatch.GetTimestamp();
        Assert.Equal(QueueStatus.Ok, queue.Execute(request));
        Assert.True(Stopwatch.GetElapsedTime(start) >= TimeSpan.FromMilliseconds(14));
        Assert.Equal(4, request.Calls);
        Assert.Equal(1, request.Completions);
        Assert.Equal(3, queue.GetStatistics().Requeues);
        Assert.Equal(0, queue.GetStatistics().Operations[0].Errors);
    }

    [Fact]
    public void A_request_that_stays_busy_ends_as_busy()
    {
        var handler = new Handler((_, _) => QueueStatus.Busy);
        using var queue = new RequestQueue(handler, new() { RequeueDelay = TimeSpan.Zero, MaxRequeues = 7 });
        var request = new TestRequest();
        Assert.Equal(QueueStatus.Busy, queue.Execute(request));
        Assert.Equal(8, request.Calls);
        Assert.Equal(QueueStatus.Busy, request.Status);

        queue.Submit(request);
        Assert.True(request.Done.Wait(10_000, TestContext.Current.CancellationToken));
        queue.Drain();
        Assert.Equal(16, request.Calls);
        Assert.Equal(2, queue.GetStatistics().Operations[0].Errors);
    }

    [Fact]
    public void A_failure_is_never_tried_again()
    {
        var handler = new Handler((_, _) => QueueStatus.Failed);
        using var queue = new RequestQueue(handler);
        var request = new TestRequest();
        Assert.Equal(QueueStatus.Failed, queue.Execute(request));
        Assert.Equal(1, request.Calls);

        handler.Action = (_, _) => throw new BlockDeviceException(BlockDeviceError.Busy, "no");
        Assert.Equal(QueueStatus.Failed, queue.Execute(request));
        Assert.Equal(2, request.Calls);
        Assert.IsType<BlockDeviceException>(request.Exception);
        Assert.Equal(2, request.Completions);
        Assert.Equal(0, queue.InFlight);

        handler.Action = (_, _) => QueueStatus.Ok;
        Assert.Equal(QueueStatus.Ok, queue.Execute(request));
        Assert.Null(request.Exception);
    }

    [Fact]
    public void Submitted_requests_run_in_the_background()
    {
        using var queue = new RequestQueue(new Handler((_, _) => QueueStatus.Ok), new() { Workers = 3, Depth = 8 });
        TestRequest[] requests = [.. Enumerable.Range(0, 200).Select(_ => new TestRequest())];
        foreach (TestRequest request in requests)
        {
            queue.Submit(request); // waits for a tag past the eighth
        }

        queue.Drain();
        Assert.All(requests, r => Assert.Equal(1, r.Completions));
        Assert.All(requests, r => Assert.NotEqual(Environment.CurrentManagedThreadId, r.Thread));
        Assert.Equal(200, queue.GetStatistics().Operations[0].Count);
    }

    [Fact]
    public void Direct_submission_runs_here_and_leaves_only_what_is_busy_to_a_worker()
    {
        var handler = new Handler((_, call) => call == 2 ? QueueStatus.Busy : QueueStatus.Ok);
        using var queue = new RequestQueue(handler);
        var request = new TestRequest();
        queue.Submit(request, allowDirect: true);
        Assert.Equal(Environment.CurrentManagedThreadId, request.Thread);
        Assert.Equal(1, request.Completions);

        queue.Submit(request, allowDirect: true);
        queue.Drain();
        Assert.Equal(2, request.Completions);
        Assert.NotEqual(Environment.CurrentManagedThreadId, request.Thread);
    }

    [Fact]
    public async Task More_requests_than_tags_wait_and_tags_are_unique()
    {
        const int depth = 3;
        int running = 0, most = 0;
        var tags = new ConcurrentDictionary<int, int>();
        var handler = new Handler((request, _) =>
        {
            int now = Interlocked.Increment(ref running);
            InterlockedMax(ref most, now);
            Assert.True(tags.TryAdd(request.Tag, 0));
            Thread.SpinWait(500);
            if (now == depth)
            {
                Thread.Sleep(0);
            }

            Assert.True(tags.TryRemove(request.Tag, out int _));
            Interlocked.Decrement(ref running);
            return QueueStatus.Ok;
        });
        using var queue = new RequestQueue(handler, new() { Depth = depth });
        Task[] tasks = [.. Enumerable.Range(0, 8).Select(_ => Task.Factory.StartNew(() =>
        {
            var request = new TestRequest();
            for (int i = 0; i < 2000; i++)
            {
                Assert.Equal(QueueStatus.Ok, queue.Execute(request));
            }
        }, TaskCreationOptions.LongRunning))];
        await Task.WhenAll(tasks).WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        Assert.InRange(most, 1, depth);
        Assert.Equal(16_000, queue.GetStatistics().Operations[0].Count);
        Assert.Equal(0, queue.GetStatistics().Operations[0].Errors);
    }

    [Fact]
    public async Task Exhaustion_blocks_until_a_tag_comes_back()
    {
        using var release = new ManualResetEventSlim();
        var handler = new Handler((_, _) =>
        {
            release.Wait();
            return QueueStatus.Ok;
        });
        using var queue = new RequestQueue(handler, new() { Depth = 1 });
        Task first = Task.Factory.StartNew(() => queue.Execute(new TestRequest()), TaskCreationOptions.LongRunning);
        while (queue.InFlight == 0)
        {
            await Task.Delay(1, TestContext.Current.CancellationToken);
        }

        Task second = Task.Factory.StartNew(() => queue.Execute(new TestRequest()), TaskCreationOptions.LongRunning);
        await Task.Delay(30, TestContext.Current.CancellationToken);
        Assert.False(second.IsCompleted);
        Assert.Equal(1, queue.InFlight);
        release.Set();
        await Task.WhenAll(first, second).WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        Assert.Equal(1, queue.GetStatistics().TagWaits);
    }

    [Fact]
    public async Task Freeze_under_load_stops_everything_and_unfreeze_loses_nothing()
    {
        int running = 0;
        int busy = 0;
        var handler = new Handler((_, _) =>
        {
            Interlocked.Increment(ref running);
            Thread.SpinWait(50);
            Interlocked.Decrement(ref running);
            return Interlocked.Increment(ref busy) % 97 == 0 ? QueueStatus.Busy : QueueStatus.Ok;
        });
        using var queue = new RequestQueue(handler, new() { Depth = 4, Workers = 2, RequeueDelay = TimeSpan.FromMilliseconds(1) });
        bool stop = false;
        long executed = 0;
        Task[] tasks = [.. Enumerable.Range(0, 6).Select(n => Task.Factory.StartNew(() =>
        {
            TestRequest[] requests = [.. Enumerable.Range(0, 4).Select(_ => new TestRequest())];
            for (int i = 0; !Volatile.Read(ref stop); i++)
            {
                TestRequest request = requests[i % requests.Length];
                if (n % 2 == 0)
                {
                    Assert.Equal(QueueStatus.Ok, queue.Execute(request));
                }
                else
                {
                    request.Done.Wait();
                    request.Done.Reset();
                    queue.Submit(request, allowDirect: n == 3);
                }

                Interlocked.Increment(ref executed);
            }
        }, TaskCreationOptions.LongRunning))];

        for (int round = 0; round < 200; round++)
        {
            queue.Freeze();
            for (int look = 0; look < 20; look++)
            {
                Assert.Equal(0, Volatile.Read(ref running));
            }

            queue.Unfreeze();
            Thread.Yield();
        }

        Volatile.Write(ref stop, true);
        await Task.WhenAll(tasks).WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        queue.Drain();
        Assert.Equal(executed, queue.GetStatistics().Operations[0].Count);
    }

    [Fact]
    public async Task Frozen_requests_wait_and_freezes_nest()
    {
        using var queue = new RequestQueue(new Handler((_, _) => QueueStatus.Ok));
        queue.Freeze();
        queue.Freeze();
        Assert.True(queue.IsFrozen);
        Task<QueueStatus> task = Task.Factory.StartNew(() => queue.Execute(new TestRequest()), TaskCreationOptions.LongRunning);
        queue.Unfreeze();
        await Task.Delay(20, TestContext.Current.CancellationToken);
        Assert.False(task.IsCompleted);
        queue.Unfreeze();
        Assert.Equal(QueueStatus.Ok, await task.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken));
        Assert.Throws<InvalidOperationException>(queue.Unfreeze);
    }

    [Fact]
    public async Task TryFreeze_gives_up_on_a_stuck_request()
    {
        using var release = new ManualResetEventSlim();
        using var queue = new RequestQueue(new Handler((_, _) =>
        {
            release.Wait();
            return QueueStatus.Ok;
        }));
        Task task = Task.Factory.StartNew(() => queue.Execute(new TestRequest()), TaskCreationOptions.LongRunning);
        while (queue.InFlight == 0)
        {
            await Task.Delay(1, TestContext.Current.CancellationToken);
        }

        Assert.False(queue.TryFreeze(TimeSpan.FromMilliseconds(20)));
        Assert.False(queue.IsFrozen);
        release.Set();
        Assert.True(queue.TryFreeze(TimeSpan.FromSeconds(10)));
        queue.Unfreeze();
        await task;
    }

    [Fact]
    public async Task Dispose_waits_for_what_runs_and_refuses_what_comes()
    {
        var handler = new Handler((_, _) =>
        {
            Thread.Sleep(50);
            return QueueStatus.Ok;
        });
        var queue = new RequestQueue(handler, new() { Depth = 2 });
        var background = new TestRequest();
        queue.Submit(background);
        queue.StartFreeze();
        Task waiting = Task.Factory.StartNew(() => queue.Execute(new TestRequest()), TaskCreationOptions.LongRunning);
        await Task.Delay(10, TestContext.Current.CancellationToken);
        queue.Dispose();
        Assert.Equal(1, background.Completions);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting);
        Assert.Throws<ObjectDisposedException>(() => queue.Execute(new TestRequest()));
        queue.Dispose();
        Assert.Equal(1, queue.GetStatistics().Operations[0].Count);
    }

    [Fact]
    public void Kick_ends_a_long_delay()
    {
        var handler = new Handler((_, call) => call == 1 ? QueueStatus.Busy : QueueStatus.Ok);
        using var queue = new RequestQueue(handler, new() { RequeueDelay = TimeSpan.FromMinutes(10) });
        var request = new TestRequest();
        queue.Submit(request);
        while (queue.GetStatistics().Requeues == 0)
        {
            Thread.Sleep(1);
        }

        queue.KickRequeueList();
        Assert.True(request.Done.Wait(10_000, TestContext.Current.CancellationToken));
    }

    [Fact]
    public void Statistics_tell_operations_apart()
    {
        var handler = new Handler((r, _) => r.Operation == 1 ? QueueStatus.Failed : QueueStatus.Ok);
        using var queue = new RequestQueue(handler, new() { OperationNames = ["read", "write"] });
        var request = new TestRequest { Bytes = 100 };
        queue.Execute(request);
        queue.Execute(request);
        request.Operation = 1;
        queue.Execute(request);
        QueueStatistics statistics = queue.GetStatistics();
        Assert.Equal(("read", 2, 0, 200), (statistics.Operations[0].Name, statistics.Operations[0].Count,
            statistics.Operations[0].Errors, statistics.Operations[0].Bytes));
        Assert.Equal(("write", 1, 1, 0), (statistics.Operations[1].Name, statistics.Operations[1].Count,
            statistics.Operations[1].Errors, statistics.Operations[1].Bytes));
        Assert.True(statistics.Operations[0].P99 <= statistics.Operations[0].Max);
        Assert.True(statistics.Operations[0].P50 <= statistics.Operations[0].P99);

        request.Operation = 2;
        Assert.Throws<ArgumentOutOfRangeException>(() => queue.Execute(request));
    }

    [Fact]
    public void Percentiles_interpolate_within_a_bucket()
    {
        var buckets = new long[QueueCounters.BucketCount];
        buckets[11] = 98; // 1024 to 2047 ns
        buckets[21] = 2;  // 1 to 2 ms
        Assert.Equal(1024 + (1024 * 50.0 / 98), QueueCounters.Percentile(buckets, 100, 0.5, 2_000_000), 3);
        Assert.InRange(QueueCounters.Percentile(buckets, 100, 0.99, 2_000_000), 1_048_576, 2_000_000);
        Assert.Equal(0, QueueCounters.Percentile(new long[QueueCounters.BucketCount], 0, 0.5, 0));
    }

    private static void InterlockedMax(ref int target, int value)
    {
        int seen = Volatile.Read(ref target);
        while (value > seen)
        {
            int before = Interlocked.CompareExchange(ref target, value, seen);
            if (before == seen)
            {
                return;
            }

            seen = before;
        }
    }

    internal class TestRequest : Request
    {
        internal readonly ManualResetEventSlim Done = new(initialState: true);
        internal int Calls;
        internal int Completions;
        internal int Thread;
        internal int TagSeen = -1;
    }

    internal sealed class Handler(Func<TestRequest, int, QueueStatus> action) : IQueueOperations
    {
        internal Func<TestRequest, int, QueueStatus> Action = action;

        public QueueStatus QueueRequest(Request request)
        {
            var mine = (TestRequest)request;
            mine.Calls++;
            mine.Thread = Environment.CurrentManagedThreadId;
            mine.TagSeen = mine.Tag;
            return Action(mine, mine.Calls);
        }

        public void CompleteRequest(Request request)
        {
            var mine = (TestRequest)request;
            mine.Completions++;
            mine.Done.Set();
        }
    }
}
