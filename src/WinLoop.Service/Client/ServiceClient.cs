using System.Text.Json;
using Microsoft.Win32.SafeHandles;
using WinLoop.Mounting;
using WinLoop.Mounting.Statistics;
using WinLoop.Service.Linux;
using WinLoop.Service.Protocol;
using WinLoop.Service.Windows;

namespace WinLoop.Service.Client;

/// <summary>A connection to a service. Before anything is said it is made sure that the other side is one.</summary>
internal sealed class ServiceClient : IDisposable
{
    private static readonly TimeSpan WriteLimit = TimeSpan.FromSeconds(10);
    // Recovering a large journal from a slow disk, or closing a large image, takes its time.
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromMinutes(15);

    private readonly Channel _channel;
    private readonly string _endpoint;

    private ServiceClient(Channel channel, string endpoint) => (_channel, _endpoint) = (channel, endpoint);

    /// <summary>Connects; null if no service runs.</summary>
    /// <exception cref="MountException">What answers is not to be trusted.</exception>
    internal static ServiceClient? TryConnect()
    {
        foreach (string endpoint in ServicePaths.Endpoints)
        {
            if ((OperatingSystem.IsWindows() ? PipeClient.TryConnect(endpoint) : SocketClient.TryConnect(endpoint)) is { } channel)
            {
                return new ServiceClient(channel, endpoint);
            }
        }
        return null;
    }

    /// <summary>Connects.</summary>
    /// <exception cref="MountException">No service runs.</exception>
    internal static ServiceClient Connect(string what) => TryConnect()
        ?? throw new MountException(MountError.HostMissing, what, "the service does not run",
            OperatingSystem.IsWindows() ? "Start it with 'winloop service start', as an administrator." : "Start it with 'winloop service run', or by systemd.");

    /// <summary>Who it is.</summary>
    internal ServiceInfo Ping() => Ask(new ServiceRequest { Command = ServiceCommand.Ping }).Info ?? new ServiceInfo();

    /// <summary>The mounts this user may know of.</summary>
    internal IReadOnlyList<ServiceMount> List() => Ask(new ServiceRequest { Command = ServiceCommand.List }).Mounts ?? [];

    /// <summary>The figures of a mount.</summary>
    internal MountStatistics Statistics(string id) =>
        Ask(new ServiceRequest { Command = ServiceCommand.Statistics, Id = id }).Statistics ?? new MountStatistics();

    /// <summary>Undoes a mount; returns when the image is closed.</summary>
    internal void Unmount(string id, bool force) => Ask(new ServiceRequest { Command = ServiceCommand.Unmount, Id = id, Force = force });

    /// <summary>Makes everything durable.</summary>
    internal void Synchronize(string? id) => Ask(new ServiceRequest { Command = ServiceCommand.Sync, Id = id });

    /// <summary>Ends a service that is no Windows service.</summary>
    internal ServiceInfo Stop() => Ask(new ServiceRequest { Command = ServiceCommand.Stop }).Info ?? new ServiceInfo();

    /// <summary>Mounts; the image is opened by this process, or in its name.</summary>
    internal MountResult Mount(MountRequest request, bool keep)
    {
        string what = $"cannot mount {request.Image}";
        string image = ImageOpener.Check(request.Image, what);
        var order = new MountOrder
        {
            Image = image,
            Directory = request.Directory,
            Partition = request.Partition,
            Options = MountOptionWriter.ToList(request.Options),
            Windows = WindowsWords.From(request.Windows),
            Keep = keep,
        };
        return Send(new ServiceRequest { Command = ServiceCommand.Mount, Mount = order }, image, request.Directory, request.Options.IsReadOnly, what);
    }

    /// <summary>Brings a remembered mount back that waits for this user.</summary>
    internal MountResult Resume(WaitingMount waiting) =>
        Send(new ServiceRequest { Command = ServiceCommand.Resume, Id = waiting.Id }, waiting.Image, null, waiting.ReadOnly, $"cannot mount {waiting.Image}");

    /// <inheritdoc/>
    public void Dispose() => _channel.Dispose();

    private MountResult Send(ServiceRequest request, string image, string? directory, bool isReadOnly, string what)
    {
        List<SafeFileHandle> handles = [];
        try
        {
            if (OperatingSystem.IsLinux())
            {
                handles.Add(SocketClient.OpenImage(image, isReadOnly, what));
                if (directory is not null)
                {
                    handles.Add(SocketClient.OpenDirectory(directory));
                }
            }
            ServiceAnswer answer = Ask(request, [.. handles.Select(h => (int)h.DangerousGetHandle())]);
            return new MountResult(answer.Mount ?? throw Unexpected(), answer.Notes ?? []);
        }
        finally
        {
            handles.ForEach(h => h.Dispose());
        }
    }

    private ServiceAnswer Ask(ServiceRequest request, IReadOnlyList<int>? descriptors = null)
    {
        try
        {
            byte[] json = JsonSerializer.SerializeToUtf8Bytes(request with { Version = ServiceProtocol.Version }, ServiceJson.Default.ServiceRequest);
            if (json.Length > ServiceProtocol.MaxRequest)
            {
                throw new MountException(MountError.Usage, "the service", "the request is too long", "Use shorter paths and fewer options.");
            }
            ServiceProtocol.WriteFrame(_channel, json, Deadline.After(WriteLimit), descriptors);
            byte[] frame = ServiceProtocol.ReadFrame(_channel, ServiceProtocol.MaxAnswer, Deadline.After(AnswerLimit)) ?? throw Unexpected();
            ServiceAnswer answer = JsonSerializer.Deserialize(frame, ServiceJson.Default.ServiceAnswer) ?? throw Unexpected();
            return answer.Error is { } error ? throw MountException.FromMessage((MountError)error.ExitCode, error.Message, error.Hint) : answer;
        }
        catch (Exception e) when (e is IOException or TimeoutException or JsonException)
        {
            throw new MountException(MountError.Failed, "the service", $"it ended the connection ({e.Message.TrimEnd('.')})", "'winloop service status' tells whether it runs.", e);
        }
    }

    private MountException Unexpected() => new(MountError.Failed, "the service", $"what answers at {_endpoint} does not speak its protocol");
}
