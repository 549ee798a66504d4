namespace WinLoop.Storage;

/// <summary>
/// One request on its way through a <see cref="RequestQueue"/> (blk-mq's <c>struct request</c>). The
/// submitter owns the object and derives from it to carry its own fields; it is made once and used
/// again and again, so that a request costs no allocation.
/// </summary>
/// <remarks>From <see cref="RequestQueue.Execute"/> or <see cref="RequestQueue.Submit"/> until
/// <see cref="IQueueOperations.CompleteRequest"/> is called, the object belongs to the queue.</remarks>
public abstract class Request
{
    /// <summary>The next request of the list this one is in; a request is in one list at most.</summary>
    internal Request? Next;

    /// <summary>When a requeued request may be issued again, in <see cref="System.Diagnostics.Stopwatch"/> ticks.</summary>
    internal long DueTimestamp;

    /// <summary>Index into <see cref="RequestQueueOptions.OperationNames"/>; set before the request is handed over.</summary>
    public int Operation { get; set; }

    /// <summary>Bytes moved. Set by the submitter or the handler; added to the operation's statistics.</summary>
    public long Bytes { get; set; }

    /// <summary>The tag, unique among the requests in flight: 0 to Depth-1. -1 outside of the queue
    /// and in <see cref="IQueueOperations.CompleteRequest"/>.</summary>
    public int Tag { get; internal set; } = -1;

    /// <summary>How the request ended. Valid from <see cref="IQueueOperations.CompleteRequest"/> on.</summary>
    public QueueStatus Status { get; internal set; }

    /// <summary>What <see cref="IQueueOperations.QueueRequest"/> threw, if it did; the status is then
    /// <see cref="QueueStatus.Failed"/>. The handler may also set it itself.</summary>
    public Exception? Exception { get; set; }

    /// <summary>True once <see cref="RequestQueue.ExecuteOrDefer"/> has left the request to the queue's workers: its
    /// submitter does not wait for the end.</summary>
    public bool IsDeferred { get; internal set; }

    /// <summary>How often the handler answered <see cref="QueueStatus.Busy"/> to this request.</summary>
    public int Requeues { get; internal set; }

    /// <summary>When the request was handed over, in <see cref="System.Diagnostics.Stopwatch"/> ticks.</summary>
    public long StartTimestamp { get; internal set; }

    /// <summary>When the handler was done with it, in <see cref="System.Diagnostics.Stopwatch"/> ticks.</summary>
    public long EndTimestamp { get; internal set; }

    /// <summary>What the request is about, for a trace; null if there is nothing to say.</summary>
    public virtual string? Describe() => null;

    /// <summary>Called on the submitter's thread before the request is left to the workers: the last moment to copy
    /// what is only valid during the submitter's call.</summary>
    protected internal virtual void OnDeferring()
    {
    }
}

/// <summary>Takes every request of a queue at its end, before it is answered, on the thread that carried it out.</summary>
/// <param name="operation">The operation's name.</param>
/// <param name="request">The request; only during the call.</param>
public delegate void RequestTrace(string operation, Request request);

/// <summary>What a handler says about a request (blk-mq's <c>blk_status_t</c>, as far as a queue cares).</summary>
public enum QueueStatus : byte
{
    /// <summary>Done.</summary>
    Ok,

    /// <summary>Done, and failed. Never tried again.</summary>
    Failed,

    /// <summary>Not accepted and nothing was done (EAGAIN, no resources): issue it again later
    /// (<c>BLK_STS_RESOURCE</c>). As a final status: not accepted within the allowed tries.</summary>
    Busy,
}

/// <summary>What drives the requests of a queue (<c>blk_mq_ops</c>). Both are called from many threads at once.</summary>
public interface IQueueOperations
{
    /// <summary>Carries out the request on the calling thread (<c>blk_mq_ops.queue_rq</c>). What it throws
    /// becomes <see cref="Request.Exception"/> and <see cref="QueueStatus.Failed"/>.</summary>
    QueueStatus QueueRequest(Request request);

    /// <summary>The request has ended, well or not: answer it (<c>blk_mq_ops.complete</c>). Called exactly
    /// once, on the thread that carried it out, and still counted as in flight. Afterwards the queue does
    /// not touch the object, so it may be handed to a pool in here. Must not throw.</summary>
    void CompleteRequest(Request request);
}
