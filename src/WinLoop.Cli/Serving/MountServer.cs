using WinLoop.Cli.Output;
using WinLoop.Ext4;
using WinLoop.Mounting;
using WinLoop.Mounting.Control;
using WinLoop.Mounting.Linux;
using WinLoop.Mounting.Registry;
using WinLoop.Mounting.Statistics;

namespace WinLoop.Cli.Serving;

/// <summary>One mount from the opened image to the closed one, in the process that serves it.</summary>
internal sealed class MountServer : IDisposable
{
    // Programs that are told to end at the same time (a shutdown) get this long to close their files.
    private const int GraceMilliseconds = 3000;

    private readonly MountRegistry _registry;
    private readonly MountPoint _mountPoint;
    private readonly MountedImage _image;
    private readonly IMountHost _host;
    private readonly StopSignals _signals;
    private readonly MountRecord _record;
    // Answers the other commands: the statistics socket, or the control pipe.
    private readonly IDisposable? _answers;

    private MountServer(
        MountRegistry registry, MountPoint mountPoint, MountedImage image, IMountHost host, StopSignals signals, MountRecord record, List<string> notes)
    {
        (_registry, _mountPoint, _image, _host, _signals, _record) = (registry, mountPoint, image, host, signals, record);
        _registry.Write(record);
        Mounted = new MountAnswer(record.Directory, record.Image, record.Partition, record.Offset, record.Size, record.Label,
            record.Uuid, record.ReadOnly, record.ReadOnlyReason, record.FileSystem, record.Device, record.Pid);
        try
        {
            _answers = OperatingSystem.IsWindows()
                ? ControlPipe.Start(ControlPipe.NameOf(record.Id), Answer)
                : StatisticsServer.Start(registry.SocketPath(record.Id), CollectStatistics);
        }
        catch (Exception e) when (e is IOException or System.Net.Sockets.SocketException or ArgumentException or UnauthorizedAccessException)
        {
            notes.Add($"'winloop stat' will not work for this mount: {e.Message}");
        }
        _signals.Attach(Stop);
    }

    /// <summary>What was mounted where.</summary>
    internal MountAnswer Mounted { get; }

    /// <summary>Mounts; when it returns the directory can be used.</summary>
    /// <param name="request">What the user asked for.</param>
    /// <param name="id">The mount's name in the registry.</param>
    /// <param name="notes">Gets sentences for the user.</param>
    /// <exception cref="MountException">Nothing is mounted, and the image is as it was.</exception>
    internal static MountServer Start(MountRequest request, string id, List<string> notes)
    {
        string what = $"cannot mount {request.Image}";
        var signals = new StopSignals();
        MountPoint? mountPoint = null;
        MountedImage? image = null;
        IMountHost? host = null;
        Frontend frontend = Frontend.Current;
        var log = new HostLog(notes);
        try
        {
            frontend.Require(what);
            image = MountedImage.Open(request, what, notes);
            mountPoint = frontend.Prepare(request.Directory, image.Image.Path);
            MountRegistry registry = MountRegistry.Open();
            image.MountVolume(request.Options, mountPoint.Path, notes);
            host = frontend.Mount(request, image, mountPoint, log.Take);
            image.ReleaseToHost();
            log.EndNotes();
            return new MountServer(registry, mountPoint, image, host, signals, Describe(id, image, mountPoint, host), notes);
        }
        catch (Exception e)
        {
            host?.Dispose();
            image?.Dispose();
            mountPoint?.Release();
            signals.Dispose();
            throw BusyImage.NameHolder(frontend.Explain(e, what), request.Image, what);
        }
    }

    /// <summary>Returns when the mount is undone and the image is closed and clean.</summary>
    /// <exception cref="MountException">The image could not be closed cleanly.</exception>
    internal void WaitForEnd()
    {
        bool clean = _host.WaitForUnmount();
        string? stopped = !_record.ReadOnly && _image.Volume.IsReadOnly ? _image.Volume.ReadOnlyReason : null;
        _answers?.Dispose();
        _mountPoint.Release();
        if (clean && stopped == null)
        {
            _registry.Remove(_record.Id);
            return;
        }
        string what = $"{_record.Image} was not closed cleanly";
        MountException failure = _host.Failure is { } error
            ? Failures.Explain(error, what)
            : new MountException(MountError.Failed, what, stopped ?? "unknown error", "The next mount recovers it from its journal.");
        _registry.Write(_record with { Failure = failure.Message });
        throw failure;
    }

    /// <summary>Undoes the mount; <see cref="WaitForEnd"/> returns then.</summary>
    /// <param name="force">True: although files are open, after their data is written. False: refuse then, and say who has them.</param>
    internal void Stop(bool force)
    {
        string directory = _record.Directory;
        long end = Environment.TickCount64 + (force ? GraceMilliseconds : 0);
        while (!Frontend.Current.TryUnmount(_host))
        {
            if (Environment.TickCount64 < end)
            {
                Thread.Sleep(100);
                continue;
            }
            string users = string.Join(", ", Frontend.Current.FindUsers(_host));
            if (!force)
            {
                StandardStreams.Error.WriteLine(Printable.Text($"{directory} is used by {(users.Length == 0 ? "somebody" : users)}."));
                StandardStreams.Error.WriteLine("  Close these programs and press Ctrl-C again, or press it now to cut them off.");
                return;
            }
            StandardStreams.Error.WriteLine(Printable.Text($"{directory} is cut off from {(users.Length == 0 ? "its users" : users)}."));
            Frontend.Current.CutOff(_host);
            return;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _answers?.Dispose();
        _signals.Dispose();
        _host.Dispose();
    }

    private static MountRecord Describe(string id, MountedImage image, MountPoint mountPoint, IMountHost host)
    {
        ProcessIdentity process = ProcessIdentity.Current;
        return new MountRecord
        {
            Id = id,
            Image = image.Image.Path,
            Directory = host.MountPoint,
            Partition = image.Image.Partition,
            Offset = image.Image.Offset,
            Size = image.Image.Size,
            Label = image.Label,
            Uuid = image.Uuid,
            ReadOnly = image.Volume.IsReadOnly,
            ReadOnlyReason = image.ReadOnlyReason,
            FileSystem = host.FileSystemType,
            Device = host.DeviceName,
            Owner = CurrentUser.Uid,
            Pid = process.Pid,
            StartTime = process.StartTime,
            Since = DateTimeOffset.UtcNow,
            OwnsDirectory = mountPoint.IsOwned,
        };
    }

    private ControlAnswer Answer(ControlCommand command, long argument)
    {
        switch (command)
        {
            case ControlCommand.Statistics:
                return new ControlAnswer { Done = true, Statistics = CollectStatistics() };
            case ControlCommand.Unmount when !Frontend.Current.TryUnmount(_host):
                return new ControlAnswer { Users = string.Join(", ", Frontend.Current.FindUsers(_host)) };
            case ControlCommand.Unmount:
                return new ControlAnswer { Done = true };
            case ControlCommand.ForceUnmount:
                Frontend.Current.CutOff(_host);
                return new ControlAnswer { Done = true };
            case ControlCommand.Trim:
                return Try(() => _image.Volume.Trim());
            case ControlCommand.Grow:
                return Try(() => _image.Volume.Grow(argument).BytesAfter);
            default:
                return new ControlAnswer();
        }
    }

    private static ControlAnswer Try(Func<long> work)
    {
        try
        {
            return new ControlAnswer { Done = true, Bytes = work() };
        }
        catch (Exception e) when (e is IOException or ArgumentException)
        {
            return new ControlAnswer { Failure = e.Message };
        }
    }

    private MountStatistics CollectStatistics()
    {
        VolumeFigures engine = _image.Volume.GetFigures();
        return new MountStatistics
        {
            Directory = _record.Directory,
            Image = _record.Image,
            Seconds = Math.Round((DateTimeOffset.UtcNow - _record.Since).TotalSeconds, 1),
            PeakMemory = System.Diagnostics.Process.GetCurrentProcess().PeakWorkingSet64,
            Queues = [QueueFigures.From("host", _host.GetStatistics()), QueueFigures.From("device", _image.Image.Image.Queue.GetStatistics())],
            Engine = new Dictionary<string, long>
            {
                ["commits"] = engine.Commits,
                ["cachedBlocks"] = engine.CachedBlocks,
                ["cachedBlockLimit"] = engine.CachedBlockLimit,
                ["cachedInodes"] = engine.CachedInodes,
            },
        };
    }

    // What the host says while it mounts is for the user who waits; later there is only stderr, or the log.
    private sealed class HostLog(List<string> notes)
    {
        private bool _isMounted;

        internal void Take(string message)
        {
            lock (notes)
            {
                if (!_isMounted)
                {
                    notes.Add(message);
                    return;
                }
            }
            StandardStreams.Error.WriteLine(message);
        }

        internal void EndNotes()
        {
            lock (notes)
            {
                _isMounted = true;
            }
        }
    }
}
