namespace WinLoop.Storage.Tests;

/// <summary>The trace of a queue.</summary>
public sealed class RequestTraceTests
{
    private sealed class Work : Request
    {
        internal QueueStatus Answer;

        public override string Describe() => "work";
    }

    private sealed class Handler : IQueueOperations
    {
        internal int Completed;

        public QueueStatus QueueRequest(Request request)
        {
            request.Bytes = 5;
            return ((Work)request).Answer;
        }

        public void CompleteRequest(Request request) => Interlocked.Increment(ref Completed);
    }

    private static RequestQueue Make(Handler handler) => new(handler, new RequestQueueOptions { OperationNames = ["read", "write"] });

    [Fact]
    public void Every_request_is_traced_at_its_end_and_before_its_answer()
    {
        var handler = new Handler();
        using RequestQueue queue = Make(handler);
        var seen = new List<string>();
        queue.Trace = (operation, request) =>
        {
            Assert.True(request.EndTimestamp >= request.StartTimestamp);
            seen.Add($"{operation} {request.Describe()} {request.Bytes} {request.Status} {handler.Completed}");
        };
        queue.Execute(new Work { Operation = 0 });
        queue.Execute(new Work { Operation = 1, Answer = QueueStatus.Failed });
        queue.Trace = null;
        queue.Execute(new Work { Operation = 0 });
        Assert.Equal(["read work 5 Ok 0", "write work 5 Failed 1"], seen);
        Assert.Equal(3, handler.Completed);
    }

    [Fact]
    public void A_trace_that_throws_fails_no_request()
    {
        var handler = new Handler();
        using RequestQueue queue = Make(handler);
        queue.Trace = (_, _) => throw new InvalidOperationException("no room");
        Assert.Equal(QueueStatus.Ok, queue.Execute(new Work()));
        Assert.Equal((1, 0), (handler.Completed, queue.InFlight));
    }
}
