using WinLoop.Mounting;
using WinLoop.Mounting.Linux;
using WinLoop.Service.Kept;
using WinLoop.Service.Linux;
using WinLoop.Service.Mounts;

namespace WinLoop.Service.Server;

/// <summary>A service from its start to its end, whatever starts it: a console, systemd, or Windows.</summary>
internal sealed class RunningService : IDisposable
{
    private readonly ServiceServer _server;
    private readonly ServedMounts _mounts;
    private readonly ManualResetEventSlim _stopRequested = new();
    private readonly ServiceLog _log;
    private readonly Thread _restore;
    private bool _isStopped;

    private RunningService(ServicePaths paths, ServiceLimits limits, ServiceLog log)
    {
        _log = log;
        _mounts = new ServedMounts(limits, log);
        KeptMounts kept = KeptMounts.Load(MakeStateFolder(paths.State), log);
        ServiceListener listener = SystemListener.Open(paths.Endpoint);
        try
        {
            if (OperatingSystem.IsLinux())
            {
                var stale = new StaleMounts(paths.Endpoint + ".mounts", log);
                stale.TakeAway();
                _mounts.Changed = () => stale.Write(_mounts.All);
            }
            var handler = new RequestHandler(_mounts, kept, SystemListener.CreateKeptImages(), limits, _stopRequested.Set);
            _server = new ServiceServer(listener, handler, limits, log);
            _server.Start();
            // On a thread of its own: an image on a disk that does not answer must not keep the service from starting.
            _restore = new Thread(() => handler.RestoreKept(log)) { IsBackground = true, Name = "winloop-restore" };
            _restore.Start();
        }
        catch
        {
            listener.Dispose();
            throw;
        }
        log.Information($"serving at {paths.Endpoint}, process {Environment.ProcessId}");
    }

    /// <summary>Starts serving.</summary>
    /// <exception cref="MountException">Another service runs, or something is missing.</exception>
    internal static RunningService Start(ServicePaths paths, ServiceLimits limits, ServiceLog log) => new(paths, limits, log);

    /// <summary>Waits until somebody asks it to stop.</summary>
    internal void WaitForStop() => _stopRequested.Wait();

    /// <summary>Ends <see cref="WaitForStop"/>.</summary>
    internal void RequestStop() => _stopRequested.Set();

    /// <summary>The machine has slept: images that somebody else changed meanwhile are not written any more.</summary>
    internal void Resume(TimeSpan limit) => _ = _mounts.Resume(limit);

    /// <summary>The machine is about to sleep: what was written goes onto the media, and the images are marked clean.</summary>
    internal void Suspend(TimeSpan limit)
    {
        if (_mounts.Suspend(limit))
        {
            _log.Information("everything was written out");
        }
        else
        {
            _log.Warning("not everything could be written out in time");
        }
    }

    /// <summary>Admits nobody, undoes all mounts.</summary>
    /// <returns>True if every image was closed.</returns>
    internal bool Stop()
    {
        if (_isStopped)
        {
            return true;
        }
        _isStopped = true;
        bool done = _mounts.Stop();
        _server.Dispose();
        if (done)
        {
            _log.Information("stopped");
        }
        else
        {
            _log.Error("stopped, but not every image could be closed in time; the next mount recovers it");
        }
        return done;
    }

    /// <inheritdoc/>
    public void Dispose() => Stop();

    private static string MakeStateFolder(string folder)
    {
        const string what = "cannot start the service";
        try
        {
            if (OperatingSystem.IsWindows())
            {
                SystemListener.MakePrivateFolder(folder);
                return folder;
            }
            Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            return FileStatus.Of(folder) is { IsDirectory: true, IsOwnAndPrivate: true }
                ? folder
                : throw new MountException(MountError.Denied, what, $"{folder} belongs to somebody else or others can write to it", "Remove it.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new MountException(MountError.Denied, what, e.Message.TrimEnd('.'), null, e);
        }
    }
}
