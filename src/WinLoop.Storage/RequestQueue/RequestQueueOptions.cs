namespace WinLoop.Storage;

/// <summary>How a <see cref="RequestQueue"/> is set up (<c>struct blk_mq_tag_set</c>).</summary>
public sealed class RequestQueueOptions
{
    /// <summary>Shown in the names of the worker threads.</summary>
    public string Name { get; init; } = "queue";

    /// <summary>How many requests may be in flight at once, 1 to 4096; more wait for a tag.</summary>
    public int Depth { get; init; } = 128;

    /// <summary>How many threads work on submitted requests, 1 to 256. They start with the first
    /// <see cref="RequestQueue.Submit"/>.</summary>
    public int Workers { get; init; } = 2;

    /// <summary>Names for statistics; <see cref="Request.Operation"/> is an index into them. 1 to 256 names.</summary>
    public IReadOnlyList<string> OperationNames { get; init; } = ["request"];

    /// <summary>How long a request that was not accepted waits before it is issued again.</summary>
    public TimeSpan RequeueDelay { get; init; } = TimeSpan.FromMilliseconds(3);

    /// <summary>How often a request is issued again before it ends as <see cref="QueueStatus.Busy"/>.</summary>
    public int MaxRequeues { get; init; } = 1000;
}
