using WinLoop.Cli.Output;
using WinLoop.Ext4;
using WinLoop.Mounting;
using WinLoop.Mounting.Control;
using WinLoop.Mounting.Linux;
using WinLoop.Mounting.Overlays;
using WinLoop.Mounting.Registry;
using WinLoop.Mounting.Statistics;
using WinLoop.Service.Frontends;

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
    private readonly SleepSignals _sleep;
    private readonly MountRecord _record;
    private readonly MountLog _log;
    private readonly ImageVerifier? _verifier;
    // Answers the other commands: the statistics socket, or the control pipe.
    private readonly IDisposable? _answers;

    private MountServer(
        MountRegistry registry, MountPoint mountPoint, MountedImage image, IMountHost host, StopSignals signals, MountRecord record, MountLog log,
        ImageVerifier? verifier, List<string> notes)
    {
        _verifier = verifier;
        (_registry, _mountPoint, _image, _host, _signals, _record, _log) = (registry, mountPoint, image, host, signals, record, log);
        _registry.Write(record);
        Mounted = new MountAnswer(record.Directory, record.Image, record.Partition, record.Offset, record.Size, record.Label,
            record.Uuid, record.ReadOnly, record.ReadOnlyReason, record.FileSystem, record.Device, record.Pid)
        {
            Overlay = record.Overlay,
            Sha256 = record.HashBefore,
        };
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
        _sleep = new SleepSignals(Suspend, Resume, notes);
        log.Mounted(image, record.Directory);
        _host.Trace = log.Trace("host");
        _image.Image.Image.Queue.Trace = log.Trace("device");
        _signals.Attach(Stop);
    }

    /// <summary>What was mounted where.</summary>
    internal MountAnswer Mounted { get; }

    /// <summary>Mounts; when it returns the directory can be used.</summary>
    /// <param name="request">What the user asked for.</param>
    /// <param name="id">The mount's name in the registry.</param>
    /// <param name="notes">Gets sentences for the user.</param>
    /// <param name="showTraces">Traces go to stderr if there is no log file.</param>
    /// <exception cref="MountException">Nothing is mounted, and the image is as it was.</exception>
    internal static MountServer Start(MountRequest request, string id, List<string> notes, bool showTraces = false)
    {
        string what = $"cannot mount {request.Image}";
        var signals = new StopSignals();
        MountPoint? mountPoint = null;
        MountedImage? image = null;
        IMountHost? host = null;
        Frontend frontend = Frontend.Current;
        MountLog? mountLog = null;
        ImageVerifier? verifier = null;
        HostLog log;
        try
        {
            MountLog.RequireElsewhere(request.Log, HostPath.Resolve(request.Image), null, what);
            mountLog = MountLog.Open(request.Log, showTraces);
            log = new HostLog(notes, mountLog);
            frontend.Require(what);
            image = MountedImage.Open(request, what, notes);
            verifier = request.Verify ? ImageVerifier.Start(image.Image.Path) : null;
            mountPoint = frontend.Prepare(request.Directory, image.Image.Path);
            MountLog.RequireElsewhere(request.Log, image.Image.Path, mountPoint.Path, what);
            MountRegistry registry = MountRegistry.Open();
            image.MountVolume(request.Options, mountPoint.Path, notes);
            host = frontend.Mount(request, image, mountPoint, log.Take);
            image.ReleaseToHost();
            log.EndNotes();
            return new MountServer(registry, mountPoint, image, host, signals, Describe(id, image, mountPoint, host) with { HashBefore = verifier?.Before },
                mountLog, verifier, notes);
        }
        catch (Exception e)
        {
            host?.Dispose();
            image?.Dispose();
            verifier?.Dispose();
            mountPoint?.Release();
            signals.Dispose();
            MountException failure = BusyImage.NameHolder(frontend.Explain(e, what), request.Image, what);
            mountLog?.Failed(failure);
            mountLog?.Dispose();
            throw failure;
        }
    }

    /// <summary>Returns when the mount is undone and the image is closed and clean.</summary>
    /// <exception cref="MountException">The image could not be closed cleanly.</exception>
    internal void WaitForEnd()
    {
        bool clean = _host.WaitForUnmount();
        string? stopped = !_record.ReadOnly && _image.Volume.IsReadOnly ? _image.Volume.ReadOnlyReason : null;
        stopped ??= _image.IsGoneWithWhatWasWritten ? MountedImage.GoneReason : null;
        _answers?.Dispose();
        Frontend.Current.CleanUp(_host, isOfService: false);
        _mountPoint.Release();
        if (clean && stopped == null)
        {
            _log.Unmounted(_record.Directory, _record.Image);
            Verify();
            return;
        }
        string what = $"{_record.Image} was not closed cleanly";
        MountException failure = _host.Failure is { } error
            ? Failures.Explain(error, what)
            : new MountException(MountError.Failed, what, stopped ?? "unknown error", _image.IsGoneWithWhatWasWritten ? null : "The next mount recovers it from its journal.");
        _log.Failed(failure);
        _registry.Write(_record with { Failure = failure.Message });
        throw failure;
    }

    /// <summary>What the second hash has shown; null if that was not asked for, or before the end.</summary>
    internal VerifyAnswer? Verified => _verifier?.After is { } after ? new VerifyAnswer(_verifier.Before, after, _verifier.Before == after) : null;

    // The record stays with the hash in it for the command that waits for the end; nobody else does.
    private void Verify()
    {
        if (_verifier == null)
        {
            _registry.Remove(_record.Id);
            return;
        }
        MountException? failure = null;
        try
        {
            _verifier.Finish();
            failure = Verified!.Unchanged ? null : ImageVerifier.Changed(_record.Image, _verifier.Before, _verifier.After!);
        }
        catch (Exception e)
        {
            failure = Failures.Explain(e, $"cannot hash {_record.Image}");
        }
        _registry.Write(_record with { HashAfter = _verifier.After, Failure = failure?.Message });
        if (failure != null)
        {
            _log.Failed(failure);
            throw failure;
        }
    }

    /// <summary>Forgets the mount when nobody else waits for what its record says.</summary>
    internal void Forget() => _registry.Remove(_record.Id);

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

    private void Suspend()
    {
        try
        {
            _host.Suspend();
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            StandardStreams.Error.WriteLine(Printable.Text($"{_record.Directory}: {e.Message}"));
        }
    }

    private void Resume()
    {
        if (!_host.Resume() && _image.Volume.IsReadOnly)
        {
            StandardStreams.Error.WriteLine(Printable.Text($"{_record.Directory} is read-only now: {_image.Volume.ReadOnlyReason}"));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _sleep.Dispose();
        _answers?.Dispose();
        _verifier?.Dispose();
        _signals.Dispose();
        _host.Dispose();
        _log.Dispose();
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
            Overlay = image.Image.Overlay,
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
                ["managedHeap"] = GC.GetGCMemoryInfo().HeapSizeBytes,
            },
        };
    }

    // What the host says while it mounts is for the user who waits; later there is only stderr, or the log.
    private sealed class HostLog(List<string> notes, MountLog log)
    {
        private bool _isMounted;

        internal void Take(string message)
        {
            log.Host(message);
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
