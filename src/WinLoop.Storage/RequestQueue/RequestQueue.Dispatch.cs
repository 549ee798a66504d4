using System.Diagnostics;

namespace WinLoop.Storage;

// The background: dispatch list, requeue list and the worker threads.
public sealed partial class RequestQueue
{
    private readonly object _dispatchGate = new();
    private readonly object _kickGate = new();
    private RequestList _dispatchList;
    private RequestList _requeueList;
    private Thread[]? _workers;
    private int _idleWorkers;
    private bool _stopping;
    private int _kicks;

    /// <summary>
    /// Hands the request over and returns; <see cref="IQueueOperations.CompleteRequest"/> tells the end.
    /// Waits only for a tag. The order of submitted requests is first come, first issued; their ends may
    /// come in any order.
    /// </summary>
    /// <param name="request">The request; the queue's until it is completed.</param>
    /// <param name="allowDirect">If nothing waits in the dispatch list, carry it out on the calling thread
    /// and leave to the workers only what the handler does not accept at once.</param>
    /// <exception cref="ObjectDisposedException">The queue is disposed.</exception>
    public void Submit(Request request, bool allowDirect = false)
    {
        EnterQueue(request);
        if (allowDirect && Volatile.Read(ref _dispatchList.First) is null)
        {
            IssueAndEnd(request);
            return;
        }

        lock (_dispatchGate)
        {
            _workers ??= StartWorkers();
            _dispatchList.Append(request);
            if (_idleWorkers > 0)
            {
                Monitor.Pulse(_dispatchGate);
            }
        }
    }

    /// <summary>Issues all requeued requests now, because what they wait for may be there
    /// (<c>blk_mq_kick_requeue_list</c>).</summary>
    public void KickRequeueList()
    {
        lock (_kickGate)
        {
            _kicks++;
            Monitor.PulseAll(_kickGate);
        }

        lock (_dispatchGate)
        {
            for (Request? request = _requeueList.First; request is not null; request = request.Next)
            {
                request.DueTimestamp = 0;
            }

            Monitor.PulseAll(_dispatchGate);
        }
    }

    /// <summary>Issues a request once; ends it, or puts it on the requeue list.</summary>
    private void IssueAndEnd(Request request)
    {
        QueueStatus status = TryIssueDirectly(request);
        if (status == QueueStatus.Busy && request.Requeues < _options.MaxRequeues)
        {
            RequeueRequest(request);
            return;
        }

        EndRequest(request, status);
    }

    private void RequeueRequest(Request request)
    {
        request.Requeues++;
        Interlocked.Increment(ref _requeues);
        long delay = (long)(_options.RequeueDelay.TotalSeconds * Stopwatch.Frequency);
        lock (_dispatchGate)
        {
            _workers ??= StartWorkers();
            request.DueTimestamp = Stopwatch.GetTimestamp() + delay;
            _requeueList.Append(request);
            Monitor.Pulse(_dispatchGate);
        }
    }

    /// <summary>The requeue of a request whose caller waits: that thread issues it again itself.</summary>
    private QueueStatus RequeueAndWait(Request request)
    {
        QueueStatus status = QueueStatus.Busy;
        while (status == QueueStatus.Busy && request.Requeues < _options.MaxRequeues)
        {
            request.Requeues++;
            Interlocked.Increment(ref _requeues);
            long due = Stopwatch.GetTimestamp() + (long)(_options.RequeueDelay.TotalSeconds * Stopwatch.Frequency);
            lock (_kickGate)
            {
                int kicks = _kicks;
                int wait;
                while (kicks == _kicks && (wait = MillisecondsUntil(due)) > 0)
                {
                    Monitor.Wait(_kickGate, wait);
                }
            }

            status = TryIssueDirectly(request);
        }

        return status;
    }

    /// <summary>A worker: one request after the other until the queue ends.</summary>
    private void RunWorker()
    {
        while (DispatchRequestList())
        {
        }
    }

    /// <summary>Waits for a request in the dispatch list, or for one of the requeue list to be due, and issues it.</summary>
    /// <returns>False when the queue ends.</returns>
    private bool DispatchRequestList()
    {
        Request? request;
        lock (_dispatchGate)
        {
            int wait = RequeueWork();
            while ((request = _dispatchList.Take() ?? TakeWaiting()) is null)
            {
                if (_stopping)
                {
                    return false;
                }

                _idleWorkers++;
                Monitor.Wait(_dispatchGate, wait);
                _idleWorkers--;
                wait = RequeueWork();
            }

            // This worker may be away for long: let another one see to what is left.
            if (_idleWorkers > 0 && (_dispatchList.First is not null || _requeueList.First is not null || _waitingList.First is not null))
            {
                Monitor.Pulse(_dispatchGate);
            }
        }

        IssueAndEnd(request);
        return true;
    }

    /// <summary>Moves requeued requests that are due to the dispatch list. Called with the gate held.</summary>
    /// <returns>Milliseconds until the next one is due, or <see cref="Timeout.Infinite"/>.</returns>
    private int RequeueWork()
    {
        while (_requeueList.First is { } first)
        {
            int wait = MillisecondsUntil(first.DueTimestamp);
            if (wait > 0)
            {
                return wait;
            }

            _dispatchList.Append(_requeueList.Take()!);
        }

        return Timeout.Infinite;
    }

    private static int MillisecondsUntil(long timestamp)
    {
        long ticks = timestamp - Stopwatch.GetTimestamp();
        return ticks <= 0 ? 0 : (int)Math.Min(int.MaxValue, (ticks * 1000 / Stopwatch.Frequency) + 1);
    }

    private Thread[] StartWorkers()
    {
        var workers = new Thread[_options.Workers];
        for (int i = 0; i < workers.Length; i++)
        {
            workers[i] = new Thread(RunWorker) { IsBackground = true, Name = $"{_options.Name}/{i}" };
            workers[i].Start();
        }

        return workers;
    }

    private void StopWorkers()
    {
        Thread[]? workers;
        lock (_dispatchGate)
        {
            _stopping = true;
            workers = _workers;
            Monitor.PulseAll(_dispatchGate);
        }

        foreach (Thread worker in workers ?? [])
        {
            if (worker != Thread.CurrentThread)
            {
                worker.Join();
            }
        }
    }

    /// <summary>A first-in first-out list through <see cref="Request.Next"/>.</summary>
    private struct RequestList
    {
        internal Request? First;
        internal Request? Last;

        internal void Append(Request request)
        {
            request.Next = null;
            if (Last is null)
            {
                First = request;
            }
            else
            {
                Last.Next = request;
            }

            Last = request;
        }

        internal Request? Take()
        {
            Request? request = First;
            if (request is not null)
            {
                First = request.Next;
                if (First is null)
                {
                    Last = null;
                }

                request.Next = null;
            }

            return request;
        }
    }
}
