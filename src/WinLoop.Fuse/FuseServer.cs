using WinLoop.Fuse.Native;
using WinLoop.Fuse.Protocol;
using WinLoop.Storage;

namespace WinLoop.Fuse;

/// <summary>
/// The threads that serve one /dev/fuse descriptor. Each takes a request, carries it out and answers it, all by
/// itself: a request never changes threads.
/// </summary>
internal sealed class FuseServer
{
    // The runtime needs more than a bare loop would; this is what the deepest path of the engine was given room for.
    private const int StackSize = 512 * 1024;

    private readonly int _fd;
    private readonly FuseSession _session;
    private readonly int _threadCount;
    private readonly RequestQueue _queue;
    private readonly Lock _gate = new();
    private readonly ManualResetEventSlim _closed = new();
    private readonly ManualResetEventSlim _ended = new();
    private bool _isClosing;
    private int _running;

    public FuseServer(int fd, FuseSession session, int threadCount)
    {
        _fd = fd;
        _session = session;
        _threadCount = threadCount;
        _queue = new RequestQueue(new FuseDispatcher(session, fd), new RequestQueueOptions
        {
            Depth = threadCount,
            OperationNames = FuseDispatcher.OperationNames,
        });
    }

    public RequestQueue Queue => _queue;

    /// <summary>What went wrong while the volume was closed.</summary>
    public Exception? Failure { get; private set; }

    /// <summary>Answers INIT, which is the first request, on the calling thread.</summary>
    /// <exception cref="FuseMountException">The kernel's protocol is not ours, or the mount is gone.</exception>
    public void Negotiate(Negotiation negotiation)
    {
        using FuseRequest request = new(_session.MaxTransfer);
        int error;
        while ((error = request.Receive(_fd)) is Libc.EINTR or Libc.EAGAIN or Libc.ENOENT)
        {
        }
        if (error == 0 && request.Header.Opcode != Opcode.Init)
        {
            error = Libc.EPROTO;
        }
        if (error == 0)
        {
            error = negotiation.Answer(request, _session, _fd);
        }
        if (error != 0)
        {
            throw new FuseMountException(error, $"the FUSE handshake failed: {Libc.Describe(error)}");
        }
    }

    public void Start()
    {
        _running = _threadCount;
        for (int i = 0; i < _threadCount; i++)
        {
            new Thread(Run, StackSize) { IsBackground = true, Name = $"fuse {i}" }.Start();
        }
    }

    /// <summary>Waits until the mount is gone, the volume is closed and no thread uses the descriptor.</summary>
    public void Wait()
    {
        _closed.Wait();
        _ended.Wait();
    }

    private void Run()
    {
        try
        {
            // The kernel writes dirty pages of this mount through us, so our own allocations must not wait for
            // that. Needs CAP_SYS_RESOURCE; without it the limits on dirty pages have to do.
            Libc.prctl(Libc.PR_SET_IO_FLUSHER, 1, 0, 0, 0);
            using FuseRequest request = new(_session.MaxTransfer);
            Serve(request);
        }
        catch (Exception e)
        {
            _session.Log($"a serving thread ended: {e}");
        }
        finally
        {
            if (Interlocked.Decrement(ref _running) == 0)
            {
                // Nobody serves any more, for whatever reason: close, so that no caller waits for ever.
                Close();
                _ended.Set();
            }
        }
    }

    private void Serve(FuseRequest request)
    {
        while (true)
        {
            switch (request.Receive(_fd))
            {
                case 0:
                    break;
                case Libc.EINTR or Libc.EAGAIN or Libc.ENOENT:
                    continue;
                case Libc.ENODEV or Libc.ECONNABORTED:
                    Close();
                    return;
                case int error:
                    _session.Log($"reading from /dev/fuse failed: {Libc.Describe(error)}");
                    return;
            }
            if (request.Header.Opcode == Opcode.Destroy)
            {
                // umount(2) waits for this reply: it is given when everything is on the device.
                Close();
                request.Send(_fd, 0);
                continue;
            }
            request.Operation = (int)Math.Min((uint)request.Header.Opcode, Opcodes.Count - 1);
            try
            {
                _queue.Execute(request);
            }
            catch (ObjectDisposedException)
            {
                request.Send(_fd, -Libc.ENODEV);
            }
        }
    }

    /// <summary>Lets what runs finish, drops all references and closes the volume. Whoever comes second waits.</summary>
    private void Close()
    {
        bool isFirst = false;
        lock (_gate)
        {
            if (!_isClosing)
            {
                _isClosing = true;
                isFirst = true;
            }
        }
        if (!isFirst)
        {
            _closed.Wait();
            return;
        }
        try
        {
            _queue.Dispose();
            _session.Nodes.Dispose();
        }
        catch (Exception e)
        {
            Failure = e;
            _session.Log($"letting go of open files failed: {e.Message}");
        }
        try
        {
            _session.Volume.Dispose();
        }
        catch (Exception e)
        {
            Failure = e;
            _session.Log($"closing the volume failed: {e.Message}");
        }
        finally
        {
            _closed.Set();
        }
    }
}
