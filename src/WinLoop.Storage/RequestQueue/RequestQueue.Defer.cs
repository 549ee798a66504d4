namespace WinLoop.Storage;

// Submitters that never wait: what cannot run at once is left to the workers, with or without a tag.
public sealed partial class RequestQueue
{
    /// <summary>Requests without a tag, first come, first served. Guarded by the dispatch gate.</summary>
    private RequestList _waitingList;
    private int _waitingCount;

    /// <summary>How many deferred requests have no tag yet; they are not counted as in flight.</summary>
    public int Waiting => Volatile.Read(ref _waitingCount);

    /// <summary>
    /// Carries the request out on the calling thread if that needs no waiting. Where the queue is frozen, all tags are
    /// in use or the handler is busy, the workers do it later. <see cref="IQueueOperations.CompleteRequest"/> is called
    /// in either case; <see cref="Request.IsDeferred"/> tells it which one it is.
    /// </summary>
    /// <returns>True: the request has ended. False: it is the queue's, and may end, and be used again, at any time.</returns>
    /// <remarks>A request that waits when the queue is disposed ends as failed, with an
    /// <see cref="ObjectDisposedException"/>. One whose <see cref="Request.OnDeferring"/> throws ends with that exception,
    /// on the calling thread.</remarks>
    /// <exception cref="ObjectDisposedException">The queue is disposed; the request was not taken.</exception>
    public bool ExecuteOrDefer(Request request)
    {
        BeginRequest(request);
        if (TryEnterQueue(request))
        {
            QueueStatus status = TryIssueDirectly(request);
            if (status != QueueStatus.Busy || _options.MaxRequeues == 0)
            {
                EndRequest(request, status);
                return true;
            }

            Exception? failure = Defer(request);
            if (failure is not null)
            {
                request.Exception = failure;
                EndRequest(request, QueueStatus.Failed);
                return true;
            }

            RequeueRequest(request);
            return false;
        }

        if (Defer(request) is { } reason)
        {
            request.Exception = reason;
            EndWithoutTag(request);
            return true;
        }

        lock (_dispatchGate)
        {
            if (!_stopping)
            {
                _workers ??= StartWorkers();
                _waitingList.Append(request);
                // A full fence before a worker searches: whoever gives a tag back after that sees this request.
                Interlocked.Increment(ref _waitingCount);
                Monitor.Pulse(_dispatchGate);
                return false;
            }
        }

        request.Exception = new ObjectDisposedException(nameof(RequestQueue));
        EndWithoutTag(request);
        return false;
    }

    /// <summary>Takes a tag if there is one, nobody waits for it and the queue is not frozen.</summary>
    private bool TryEnterQueue(Request request)
    {
        if (_freezeDepth != 0 || Volatile.Read(ref _waitingCount) != 0)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return false;
        }

        int hint = t_tagHint;
        if ((uint)(hint - 1) >= (uint)_tags.Depth)
        {
            hint = FirstHint();
        }

        int tag = _tags.TryGet(hint - 1);
        if (tag < 0)
        {
            Interlocked.Increment(ref _tagWaits);
            return false;
        }

        if (_freezeDepth != 0)
        {
            PutTag(tag);
            return false;
        }

        t_tagHint = tag + 1;
        request.Tag = tag;
        return true;
    }

    private static Exception? Defer(Request request)
    {
        try
        {
            request.OnDeferring();
            request.IsDeferred = true;
            return null;
        }
        catch (Exception e)
        {
            return e;
        }
    }

    /// <summary>The first waiting request, with a tag; null if there is none or no tag for it. Called with the gate held.</summary>
    private Request? TakeWaiting()
    {
        if (_waitingList.First is null || _freezeDepth != 0)
        {
            return null;
        }

        int tag = _tags.TryGet(0);
        if (tag < 0)
        {
            return null;
        }

        if (_freezeDepth != 0)
        {
            PutTag(tag);
            return null;
        }

        Request request = _waitingList.Take()!;
        Interlocked.Decrement(ref _waitingCount);
        request.Tag = tag;
        return request;
    }

    private void WakeWorkersForWaiting()
    {
        if (Volatile.Read(ref _waitingCount) != 0)
        {
            lock (_dispatchGate)
            {
                Monitor.Pulse(_dispatchGate);
            }
        }
    }

    /// <summary>Ends what still waits when the workers are gone.</summary>
    private void RefuseWaiting()
    {
        while (true)
        {
            Request? request;
            lock (_dispatchGate)
            {
                request = _waitingList.Take();
                if (request is null)
                {
                    return;
                }

                Interlocked.Decrement(ref _waitingCount);
            }

            request.Exception = new ObjectDisposedException(nameof(RequestQueue));
            EndWithoutTag(request);
        }
    }

    private void EndWithoutTag(Request request)
    {
        request.EndTimestamp = System.Diagnostics.Stopwatch.GetTimestamp();
        request.Status = QueueStatus.Failed;
        _operations.CompleteRequest(request);
    }
}
