using WinLoop.TestKit;
using static WinLoop.Storage.Tests.RequestQueueTests;

namespace WinLoop.Storage.Tests;

/// <summary>Requests whose submitter does not wait.</summary>
public sealed class DeferTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Fact]
    public void What_can_run_at_once_runs_on_the_callers_thread_and_allocates_nothing()
    {
        using var queue = new RequestQueue(new Handler((_, _) => QueueStatus.Ok));
        var request = new DeferredRequest();
        Assert.True(queue.ExecuteOrDefer(request));
        Assert.False(request.IsDeferred);
        Assert.Equal(0, request.Deferrals);
        int runs = 0;
        Assert.Equal(0, Allocations.Of(() =>
        {
            for (int i = 0; i < 10_000; i++, runs++)
            {
                queue.ExecuteOrDefer(request);
            }
        }));
        Assert.Equal(runs + 1, queue.GetStatistics().Operations[0].Count);
    }

    [Fact]
    public void A_frozen_queue_takes_requests_and_runs_them_in_order_when_it_is_free()
    {
        List<TestRequest> order = [];
        using var queue = new RequestQueue(new Handler((r, _) =>
        {
            lock (order)
            {
                order.Add(r);
            }
            return QueueStatus.Ok;
        }), new() { Workers = 1 });
        queue.Freeze();
        DeferredRequest[] requests = [.. Enumerable.Range(0, 50).Select(_ => new DeferredRequest())];
        foreach (DeferredRequest request in requests)
        {
            Assert.False(queue.ExecuteOrDefer(request));
        }
        Assert.Equal(50, queue.Waiting);
        Assert.Equal(0, queue.InFlight);
        Assert.Empty(order);
        queue.Drain(); // what waits is not in flight: freezing does not wait for it
        queue.Unfreeze();
        WaitAll(requests);
        Assert.Equal(requests, order);
        Assert.All(requests, r => Assert.Equal((1, 1, true), (r.Completions, r.Deferrals, r.IsDeferred)));
    }

    [Fact]
    public async Task Without_a_tag_the_caller_goes_on_and_the_request_comes_next()
    {
        using var gate = new ManualResetEventSlim();
        using var queue = new RequestQueue(new Handler((r, _) =>
        {
            if (r is not DeferredRequest)
            {
                gate.Wait();
            }
            return QueueStatus.Ok;
        }), new() { Depth = 1 });
        var slow = new TestRequest();
        Task task = Task.Run(() => queue.Execute(slow), TestContext.Current.CancellationToken);
        Assert.True(SpinWait.SpinUntil(() => queue.InFlight == 1, Patience));
        var request = new DeferredRequest();
        Assert.False(queue.ExecuteOrDefer(request));
        Assert.Equal(0, request.Completions);
        gate.Set();
        WaitAll(request);
        await task.WaitAsync(Patience, TestContext.Current.CancellationToken);
        Assert.Equal(QueueStatus.Ok, request.Status);
        Assert.Equal(0, queue.Waiting);
    }

    [Fact]
    public void A_busy_handler_makes_it_wait_in_the_requeue_list()
    {
        using var queue = new RequestQueue(new Handler((_, call) => call <= 3 ? QueueStatus.Busy : QueueStatus.Ok));
        var request = new DeferredRequest();
        Assert.False(queue.ExecuteOrDefer(request));
        WaitAll(request);
        Assert.Equal((QueueStatus.Ok, 4, 1), (request.Status, request.Calls, request.Completions));
    }

    [Fact]
    public void Disposing_refuses_what_waits()
    {
        var queue = new RequestQueue(new Handler((_, _) => QueueStatus.Ok));
        queue.Freeze();
        var request = new DeferredRequest();
        Assert.False(queue.ExecuteOrDefer(request));
        queue.Dispose();
        Assert.Equal((QueueStatus.Failed, 1, 0), (request.Status, request.Completions, request.Calls));
        Assert.IsType<ObjectDisposedException>(request.Exception);
        Assert.Throws<ObjectDisposedException>(() => queue.ExecuteOrDefer(new DeferredRequest()));
    }

    [Fact]
    public void One_that_must_not_be_deferred_ends_on_the_callers_thread()
    {
        using var queue = new RequestQueue(new Handler((_, _) => QueueStatus.Ok));
        queue.Freeze();
        var request = new DeferredRequest { Refuses = true };
        Assert.True(queue.ExecuteOrDefer(request));
        Assert.Equal((QueueStatus.Failed, 1, false), (request.Status, request.Completions, request.IsDeferred));
        Assert.IsType<NotSupportedException>(request.Exception);
        queue.Unfreeze();
    }

    [Fact]
    public void Many_threads_with_few_tags_and_freezes_lose_nothing()
    {
        int seed = Environment.TickCount;
        TestContext.Current.SendDiagnosticMessage($"seed {seed}");
        using var queue = new RequestQueue(new Handler((r, call) => call % 7 == 3 ? QueueStatus.Busy : QueueStatus.Ok),
            new() { Depth = 2, RequeueDelay = TimeSpan.FromMilliseconds(0.1) });
        const int Threads = 4, Count = 3000;
        DeferredRequest[][] requests = [.. Enumerable.Range(0, Threads).Select(_ => Enumerable.Range(0, Count).Select(_ => new DeferredRequest()).ToArray())];
        using var stop = new CancellationTokenSource();
        Thread freezer = new(() =>
        {
            var random = new Random(seed);
            while (!stop.IsCancellationRequested)
            {
                queue.Freeze();
                Assert.Equal(0, queue.InFlight);
                Thread.SpinWait(random.Next(1000));
                queue.Unfreeze();
                Thread.Sleep(1);
            }
        });
        freezer.Start();
        Parallel.ForEach(requests, new ParallelOptions { MaxDegreeOfParallelism = Threads }, mine =>
        {
            foreach (DeferredRequest request in mine)
            {
                queue.ExecuteOrDefer(request);
            }
        });
        foreach (DeferredRequest[] mine in requests)
        {
            WaitAll(mine);
        }
        stop.Cancel();
        freezer.Join();
        Assert.All(requests.SelectMany(r => r), r => Assert.Equal((QueueStatus.Ok, 1), (r.Status, r.Completions)));
        Assert.True(SpinWait.SpinUntil(() => (queue.Waiting, queue.InFlight) == (0, 0), Patience));
    }

    private static void WaitAll(params DeferredRequest[] requests)
    {
        foreach (DeferredRequest request in requests)
        {
            Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref request.Completions) != 0, Patience), "a request got lost");
        }
    }

    internal sealed class DeferredRequest : TestRequest
    {
        internal int Deferrals;
        internal bool Refuses;

        protected internal override void OnDeferring()
        {
            Deferrals++;
            if (Refuses)
            {
                throw new NotSupportedException();
            }
        }
    }
}
