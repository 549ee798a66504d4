using System.Text.Json;
using WinLoop.Mounting;
using WinLoop.Service.Protocol;

namespace WinLoop.Service.Server;

/// <summary>Takes clients in and answers each on a thread of its own, within the limits.</summary>
internal sealed class ServiceServer(ServiceListener listener, RequestHandler handler, ServiceLimits limits, ServiceLog log) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly List<string> _clients = [];
    private Thread? _accept;
    private volatile bool _isClosing;

    /// <summary>Connections that are being served now.</summary>
    internal int Connections
    {
        get
        {
            lock (_gate)
            {
                return _clients.Count;
            }
        }
    }

    /// <summary>Starts taking clients in.</summary>
    internal void Start()
    {
        _accept = new Thread(Accept, 256 * 1024) { IsBackground = true, Name = "winloop-accept" };
        _accept.Start();
    }

    /// <summary>Takes no more clients in, and gives those that are being answered a moment.</summary>
    public void Dispose()
    {
        _isClosing = true;
        listener.Dispose();
        long end = Environment.TickCount64 + 2000;
        while (Connections > 0 && Environment.TickCount64 < end)
        {
            Thread.Sleep(10);
        }
    }

    private void Accept()
    {
        while (!_isClosing)
        {
            ClientConnection? client = null;
            try
            {
                client = listener.Accept();
                if (client is null)
                {
                    return;
                }
                string user = client.CountsFor;
                if (!TryCount(user))
                {
                    Refuse(client);
                    continue;
                }
                StartServing(client, user);
            }
            catch (Exception e)
            {
                // No client may end this thread: out of descriptors or of threads is a moment's matter.
                client?.Dispose();
                if (!_isClosing)
                {
                    log.Warning($"a client could not be taken in: {e.Message}");
                    Thread.Sleep(100);
                }
            }
        }
    }

    private void StartServing(ClientConnection client, string user)
    {
        try
        {
            new Thread(() => Serve(client, user), 256 * 1024) { IsBackground = true, Name = "winloop-client" }.Start();
        }
        catch
        {
            Uncount(user);
            throw;
        }
    }

    private void Uncount(string user)
    {
        lock (_gate)
        {
            _clients.Remove(user);
        }
    }

    private bool TryCount(string user)
    {
        lock (_gate)
        {
            if (_clients.Count >= limits.Connections || _clients.Count(c => c == user) >= limits.ConnectionsPerUser)
            {
                return false;
            }
            _clients.Add(user);
            return true;
        }
    }

    // On the accepting thread, so it must not wait for a client that does not read.
    private static void Refuse(ClientConnection client)
    {
        using (client)
        {
            try
            {
                Write(client, new ServiceAnswer
                {
                    Error = new ServiceError((int)MountError.Busy, "the service: this user has too many connections", "Try again when other commands have ended."),
                }, TimeSpan.Zero);
            }
            catch (Exception e) when (e is IOException or TimeoutException)
            {
                // He is not told.
            }
        }
    }

    private void Serve(ClientConnection client, string user)
    {
        try
        {
            using (client)
            {
                while (!_isClosing && ServiceProtocol.ReadFrame(client.Channel, ServiceProtocol.MaxRequest, Deadline.After(limits.Request)) is { } frame)
                {
                    if (!Answer(client, frame))
                    {
                        break;
                    }
                }
            }
        }
        catch (Exception e)
        {
            // Garbage, silence, or the client has gone: its connection ends, and nothing else.
            log.Warning($"a connection of {user} was ended: {e.Message}");
        }
        finally
        {
            Uncount(user);
        }
    }

    private bool Answer(ClientConnection client, byte[] frame)
    {
        ServiceRequest? request;
        try
        {
            request = JsonSerializer.Deserialize(frame, ServiceJson.Default.ServiceRequest);
        }
        catch (JsonException)
        {
            request = null;
        }
        if (request is null)
        {
            Write(client, new ServiceAnswer { Error = new ServiceError((int)MountError.Usage, "the service: this is no request", null) }, limits.Answer);
            return false;
        }
        ServiceAnswer answer;
        try
        {
            answer = handler.Handle(request, client);
        }
        finally
        {
            client.EndRequest();
        }
        try
        {
            Write(client, answer, limits.Answer);
            return true;
        }
        catch (Exception e) when (e is IOException or TimeoutException && answer.Mount is { } mount && request.Command == ServiceCommand.Mount)
        {
            // Nobody waits any more: the user has given up.
            handler.TakeBack(answer.Mount!);
            throw;
        }
    }

    private static void Write(ClientConnection client, ServiceAnswer answer, TimeSpan limit)
    {
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(answer, ServiceJson.Default.ServiceAnswer);
        if (json.Length > ServiceProtocol.MaxAnswer)
        {
            json = JsonSerializer.SerializeToUtf8Bytes(
                new ServiceAnswer { Error = new ServiceError((int)MountError.Failed, "the service: the answer is too long", null) }, ServiceJson.Default.ServiceAnswer);
        }
        ServiceProtocol.WriteFrame(client.Channel, json, Deadline.After(limit));
    }
}
