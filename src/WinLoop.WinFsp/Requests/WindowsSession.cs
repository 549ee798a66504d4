using System.Collections.Concurrent;
using WinLoop.Ext4;
using WinLoop.Mounting.Windows;
using WinLoop.Storage;

namespace WinLoop.WinFsp.Requests;

/// <summary>What the callbacks of one mount share, whichever binding they come through: the file system, the queue,
/// the requests.</summary>
internal sealed class WindowsSession : IDisposable
{
    // In use by its thread's callback, or free. A thread has one per depth of nesting, which is two at most.
    [ThreadStatic]
    private static WindowsRequest? t_request;

    private readonly ConcurrentBag<WindowsRequest> _spare = [];
    private readonly Action<string>? _log;
    private int _deferred;
    private volatile bool _isDraining;

    public WindowsSession(WindowsFileSystem fileSystem, IResponder responder, ISecurityMerger merger, int depth, Action<string>? log)
    {
        FileSystem = fileSystem;
        Responder = responder;
        Merger = merger;
        _log = log;
        Queue = new RequestQueue(new WindowsDispatcher(this), new RequestQueueOptions
        {
            Name = "winfsp",
            Depth = depth,
            OperationNames = WindowsDispatcher.OperationNames,
        });
    }

    public WindowsFileSystem FileSystem { get; }

    public RequestQueue Queue { get; }

    public IResponder Responder { get; }

    public ISecurityMerger Merger { get; }

    /// <summary>Callbacks that have returned STATUS_PENDING and are not answered yet.</summary>
    public int Deferred => Volatile.Read(ref _deferred);

    /// <summary>A request for this thread's callback; give it to <see cref="Return"/>, unless it was deferred.</summary>
    public WindowsRequest Rent(WindowsOperation operation)
    {
        WindowsRequest? request = t_request;
        if (request is not null)
        {
            t_request = null;
        }
        else if (!_spare.TryTake(out request))
        {
            request = new WindowsRequest();
        }
        request.Reset(this, operation);
        return request;
    }

    /// <summary>Takes a request back.</summary>
    public void Return(WindowsRequest request)
    {
        request.File = null;
        request.Descriptor = null;
        request.Exception = null;
        request.Session = null!; // a thread's request outlives the mount
        if (t_request is null)
        {
            t_request = request;
        }
        else
        {
            _spare.Add(request);
        }
    }

    /// <summary>Carries a request out and waits for its end.</summary>
    public NtStatus Execute(WindowsRequest request)
    {
        try
        {
            Queue.Execute(request);
            return request.Result;
        }
        catch (ObjectDisposedException)
        {
            return NtStatus.DeviceNotReady;
        }
    }

    /// <summary>Carries out a request whose callback may be answered later.</summary>
    /// <returns><see cref="NtStatus.Pending"/>: the request is not the caller's any more.</returns>
    public NtStatus ExecuteOrDefer(WindowsRequest request)
    {
        if (_isDraining)
        {
            return Execute(request);
        }
        try
        {
            if (!Queue.ExecuteOrDefer(request))
            {
                return NtStatus.Pending;
            }
            return request.Exception is DrainingException ? Execute(request) : request.Result;
        }
        catch (ObjectDisposedException)
        {
            return NtStatus.DeviceNotReady;
        }
    }

    /// <summary>Called while a request is being deferred.</summary>
    /// <exception cref="DrainingException">It must not be.</exception>
    internal void BeginDeferred()
    {
        // A full fence: either this sees that the session is drained, or the drainer sees this request.
        Interlocked.Increment(ref _deferred);
        if (_isDraining)
        {
            Interlocked.Decrement(ref _deferred);
            throw new DrainingException();
        }
    }

    /// <summary>Answers a deferred request and takes it back.</summary>
    internal void Answer(WindowsRequest request)
    {
        try
        {
            Responder.Send(request);
        }
        catch (Exception e)
        {
            Log($"answering {(WindowsOperation)request.Operation} failed: {e}");
        }
        request.File = null;
        request.Session = null!;
        _spare.Add(request);
        Interlocked.Decrement(ref _deferred);
    }

    /// <summary>From now on callbacks wait for their end, and all that was deferred is answered: afterwards nobody
    /// writes to a buffer of the driver except inside a callback.</summary>
    /// <returns>False if the time was over first.</returns>
    public bool DrainDeferred(TimeSpan timeout)
    {
        _isDraining = true;
        Interlocked.MemoryBarrier();
        Queue.KickRequeueList();
        return SpinWait.SpinUntil(() => Deferred == 0, timeout);
    }

    /// <summary>The status that an exception means. What is not an answer to a caller's mistake is noted.</summary>
    public NtStatus ToStatus(Exception exception, WindowsRequest request)
    {
        NtStatus status;
        try
        {
            status = StatusMap.FromException(exception);
        }
        catch (Exception)
        {
            status = NtStatus.UnexpectedIoError;
        }
        bool isAnswer = exception is Ext4Exception { Errno: not (Errno.EIO or Errno.EUCLEAN) } or Ext4NotSupportedException;
        if (!isAnswer)
        {
            WindowsOperation operation = (WindowsOperation)request.Operation;
            Log(status == NtStatus.UnexpectedIoError ? $"{operation}: {exception}" : $"{operation}: {exception.Message}");
        }
        return status;
    }

    public void Log(string message)
    {
        try
        {
            _log?.Invoke(message);
        }
        catch (Exception)
        {
            // A log that fails must not fail a request.
        }
    }

    /// <summary>Ends the queue and finishes what is open. The volume stays.</summary>
    public void Dispose()
    {
        Queue.Dispose();
        FileSystem.Dispose();
    }

    private sealed class DrainingException : Exception;
}
