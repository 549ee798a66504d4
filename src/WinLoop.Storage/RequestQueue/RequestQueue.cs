using System.Diagnostics;

namespace WinLoop.Storage;

/// <summary>
/// The way of a request, after Linux's blk-mq: a bounded number of tags, direct issue on the caller's
/// thread, a dispatch list with workers for what is submitted in the background, requeue with delay for
/// what the handler does not accept, freeze and drain, statistics per operation.
/// </summary>
/// <remarks>
/// What has failed is never tried again and never hidden; only <see cref="QueueStatus.Busy"/>, the answer
/// of a handler that has not begun, leads to another try. A handler must not wait for its own queue
/// (Freeze, Drain, Dispose), and a request that it executes in the same queue takes a tag of its own.
/// </remarks>
public sealed partial class RequestQueue : IDisposable
{
    /// <summary>The tag that this thread had last, in whichever queue; where its next search begins.</summary>
    [ThreadStatic]
    private static int t_tagHint;

    private readonly IQueueOperations _operations;
    private readonly RequestQueueOptions _options;
    private readonly TagSet _tags;
    private readonly QueueCounters _counters;
    private readonly string[] _names;

    private readonly object _tagGate = new();
    private readonly object _freezeGate = new();
    private int _tagWaiters;
    private int _drainWaiters;
    private volatile int _freezeDepth;
    private volatile bool _disposed;
    private long _requeues;
    private long _tagWaits;

    /// <summary>Makes a queue; nothing runs until a request comes.</summary>
    public RequestQueue(IQueueOperations operations, RequestQueueOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(operations);
        _operations = operations;
        _options = options ?? new RequestQueueOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(_options.Depth, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(_options.Depth, 4096, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(_options.Workers, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(_options.Workers, 256, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(_options.OperationNames.Count, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(_options.OperationNames.Count, 256, nameof(options));
        _names = [.. _options.OperationNames];
        _tags = new TagSet(_options.Depth);
        _counters = new QueueCounters(_options.Depth, _names.Length);
    }

    /// <summary>Takes every request at its end; null, and free, unless something is looked into. What it throws is dropped.</summary>
    public RequestTrace? Trace { get; set; }

    /// <summary>How many requests may be in flight at once.</summary>
    public int Depth => _tags.Depth;

    /// <summary>How many requests are in flight: executing, in the dispatch list, or waiting to be requeued.
    /// While frozen, a request that comes and has to wait may be counted for a moment.</summary>
    public int InFlight => _tags.InUse;

    /// <summary>True between <see cref="StartFreeze"/> (or <see cref="Freeze"/>) and <see cref="Unfreeze"/>.</summary>
    public bool IsFrozen => _freezeDepth != 0;

    /// <summary>
    /// Carries the request out and returns when it has ended. It runs on the calling thread, without a
    /// hop and without an allocation. Waits when the queue is frozen, all tags are in use, or the handler
    /// is busy.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The queue is disposed.</exception>
    public QueueStatus Execute(Request request)
    {
        EnterQueue(request);
        QueueStatus status = TryIssueDirectly(request);
        if (status == QueueStatus.Busy)
        {
            status = RequeueAndWait(request);
        }

        EndRequest(request, status);
        return status;
    }

    /// <summary>What happened so far; also after <see cref="Dispose"/>.</summary>
    public QueueStatistics GetStatistics()
    {
        var operations = new OperationStatistics[_names.Length];
        for (int i = 0; i < operations.Length; i++)
        {
            operations[i] = _counters.Sum(i, _names[i]);
        }

        return new QueueStatistics(Depth, InFlight, Interlocked.Read(ref _requeues),
            Interlocked.Read(ref _tagWaits), operations);
    }

    /// <summary>Waits for what is in flight, refuses everything after it and ends the workers.</summary>
    public void Dispose()
    {
        lock (_freezeGate)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            _freezeDepth++;
            Monitor.PulseAll(_freezeGate);
        }

        Drain();
        StopWorkers();
        RefuseWaiting();
    }

    /// <summary>Takes a tag and the time.</summary>
    private void EnterQueue(Request request)
    {
        BeginRequest(request);
        int hint = t_tagHint;
        if ((uint)(hint - 1) >= (uint)_tags.Depth)
        {
            hint = FirstHint();
        }

        int tag = _tags.TryGet(hint - 1);
        // Taking the tag is a full fence: either this sees the freeze, or the freezer sees the tag.
        if (tag < 0 || _freezeDepth != 0)
        {
            tag = WaitForTag(tag);
        }

        t_tagHint = tag + 1;
        request.Tag = tag;
    }

    private void BeginRequest(Request request)
    {
        if ((uint)request.Operation >= (uint)_names.Length || request.Tag >= 0)
        {
            ThrowBadRequest(request);
        }

        request.StartTimestamp = Stopwatch.GetTimestamp();
        request.Requeues = 0;
        request.Exception = null;
        request.IsDeferred = false;
    }

    /// <summary>Issues the request on this thread. What the handler throws is the request's failure.</summary>
    private QueueStatus TryIssueDirectly(Request request)
    {
        try
        {
            return _operations.QueueRequest(request);
        }
        catch (Exception e)
        {
            request.Exception = e;
            return QueueStatus.Failed;
        }
    }

    /// <summary>Counts the request, completes it and gives its tag back.</summary>
    private void EndRequest(Request request, QueueStatus status)
    {
        int tag = request.Tag;
        long now = Stopwatch.GetTimestamp();
        request.EndTimestamp = now;
        request.Status = status;
        _counters.Add(tag, request.Operation, status != QueueStatus.Ok, request.Bytes, now - request.StartTimestamp);
        request.Tag = -1;
        if (Trace is { } trace)
        {
            TraceRequest(trace, request);
        }

        try
        {
            _operations.CompleteRequest(request);
        }
        finally
        {
            // The tag is held until here so that Drain also waits for the answer to be given.
            PutTag(tag);
        }
    }

    private void TraceRequest(RequestTrace trace, Request request)
    {
        try
        {
            trace(_names[request.Operation], request);
        }
        catch (Exception)
        {
            // A trace that fails must not fail the request.
        }
    }

    private void PutTag(int tag)
    {
        _tags.Put(tag);
        if ((_tagWaiters | _drainWaiters | _waitingCount) != 0)
        {
            WakeWaiters();
        }
    }

    private int FirstHint() =>
        1 + (int)((uint)(Environment.CurrentManagedThreadId * _tags.TagsPerWord) % (uint)_tags.Depth);

    private void ThrowBadRequest(Request request)
    {
        if (request.Tag >= 0)
        {
            throw new InvalidOperationException($"The request is already in flight (tag {request.Tag}).");
        }

        throw new ArgumentOutOfRangeException(nameof(request), request.Operation,
            $"Operation must be 0 to {_names.Length - 1}.");
    }
}
