using WinLoop.Ext4;
using WinLoop.Mounting;
using WinLoop.Mounting.Logging;
using WinLoop.Mounting.Statistics;
using WinLoop.Service.Frontends;
using WinLoop.Service.Server;

namespace WinLoop.Service.Mounts;

/// <summary>One mount of the service, from the opened image to the closed one. What fails in it ends here.</summary>
internal sealed class ServedMount
{
    private readonly Frontend _frontend = Frontend.Current;
    private readonly MountedImage _image;
    private readonly IMountHost _host;
    private readonly MountTarget _target;
    private readonly ServiceLog _log;
    private readonly ManualResetEventSlim _ended = new();
    private volatile bool _isClosing;

    private ServedMount(ServiceMount description, ServiceUser user, MountedImage image, IMountHost host, MountTarget target, ServiceLog log)
    {
        (Description, User, _image, _host, _target, _log) = (description, user, image, host, target, log);
        Summary = MountSummary.Of(image, description.Directory);
        Fingerprint = ImageFingerprint.Of(image.Image.Image);
        DeviceNumber = OperatingSystem.IsLinux() ? Linux.LinuxFiles.DeviceAt(target.Kernel ?? target.Point.Path) : null;
    }

    /// <summary>What it is, as of the time it was mounted.</summary>
    internal ServiceMount Description { get; }

    /// <summary>The line that the log has for it.</summary>
    internal string Summary { get; }

    /// <summary>Which file the image is, whatever its path.</summary>
    internal string Fingerprint { get; }

    /// <summary>The number of the mounted file system; null where the system has none.</summary>
    internal string? DeviceNumber { get; }

    /// <summary>Its directory was made for it and goes with it.</summary>
    internal bool OwnsDirectory => _target.Point.IsOwned;

    /// <summary>Whose it is.</summary>
    internal ServiceUser User { get; }

    /// <summary>What the image was not closed with; null if it was closed cleanly or is not closed yet.</summary>
    internal MountException? Failure { get; private set; }

    /// <summary>Mounts; when it returns the volume can be used.</summary>
    /// <param name="id">Names it.</param>
    /// <param name="request">What was asked for.</param>
    /// <param name="user">For whom.</param>
    /// <param name="file">The image, opened with the user's rights; closed in every case.</param>
    /// <param name="place">Says where, when the image is known to be one and nothing was written yet.</param>
    /// <param name="kept">It is remembered.</param>
    /// <param name="notes">Gets sentences for the user.</param>
    /// <param name="log">Takes what is said later.</param>
    /// <exception cref="MountException">Nothing is mounted.</exception>
    internal static ServedMount Start(string id, MountRequest request, ServiceUser user, ImageHandle file, Func<OpenedImage, MountTarget> place, bool kept,
        List<string> notes, ServiceLog log)
    {
        string what = $"cannot mount {request.Image}";
        Frontend frontend = Frontend.Current;
        MountedImage? image = null;
        MountTarget? target = null;
        IMountHost? host = null;
        try
        {
            frontend.Require(what);
            image = MountedImage.Open(file, request, what, notes);
            target = place(image.Image);
            image.MountVolume(request.Options, target.Point.Path, notes);
            host = frontend.Mount(request, image, target.Point, log.Warning, user, target.Kernel);
            image.ReleaseToHost();
            return new ServedMount(Describe(id, user, image, host, kept), user, image, host, target, log);
        }
        catch (Exception e)
        {
            host?.Dispose();
            image?.Dispose();
            target?.Release();
            throw frontend.Explain(e, what);
        }
        finally
        {
            file.Dispose();
        }
    }

    /// <summary>Waits for its end on a thread of its own.</summary>
    /// <param name="ended">Called there, once.</param>
    internal void Watch(Action<ServedMount> ended) =>
        new Thread(() =>
        {
            WaitForEnd();
            ended(this);
            _ended.Set();
        }, 256 * 1024) { IsBackground = true, Name = "winloop-mount" }.Start();

    /// <summary>What it is now.</summary>
    internal ServiceMount Describe()
    {
        try
        {
            VolumeStatistics statistics = _image.Volume.GetStatistics();
            return Description with { Free = checked((long)statistics.FreeBlocks * statistics.BlockSize), State = _isClosing ? "closing" : ServiceMount.Mounted };
        }
        catch (Exception e) when (e is ObjectDisposedException or InvalidOperationException or OverflowException or Ext4Exception or IOException)
        {
            return Description with { State = "closing" };
        }
    }

    /// <summary>Undoes it and waits until the image is closed.</summary>
    /// <param name="force">Although files are open.</param>
    /// <param name="limit">How long to wait.</param>
    /// <exception cref="MountException">Busy; or the image was not closed cleanly, or not in time.</exception>
    internal void Unmount(bool force, TimeSpan limit)
    {
        string what = $"cannot unmount {Description.Directory}";
        try
        {
            if (!_ended.IsSet && !_frontend.TryUnmount(_host))
            {
                if (!force)
                {
                    string users = string.Join(", ", _frontend.FindUsers(_host));
                    throw new MountException(MountError.Busy, what, users.Length == 0 ? "it is in use" : "it is used by " + users,
                        "Close these programs, or leave the directory, and try again; --force cuts them off.");
                }
                _frontend.CutOff(_host);
            }
        }
        catch (Exception e) when (e is not MountException)
        {
            throw _frontend.Explain(e, what);
        }
        _isClosing = true;
        if (!_ended.Wait(limit))
        {
            throw new MountException(MountError.Failed, what, "the image is still being closed", "See 'winloop list' for its state.");
        }
        if (Failure is { } failure)
        {
            throw failure;
        }
    }

    /// <summary>Everything written so far goes onto the medium.</summary>
    internal void Synchronize()
    {
        if (!Description.ReadOnly && !_ended.IsSet)
        {
            _frontend.FlushSystem(_host);
            _image.Volume.Synchronize();
        }
    }

    /// <summary>The image is left committed, whole and clean; the mount stays.</summary>
    /// <exception cref="IOException">Something could not be written.</exception>
    internal void Suspend()
    {
        if (!Description.ReadOnly && !_ended.IsSet)
        {
            _host.Suspend();
        }
    }

    /// <summary>Looks whether somebody else changed the image while the machine slept.</summary>
    internal void Resume()
    {
        if (!_ended.IsSet && !_host.Resume() && _image.Volume.IsReadOnly)
        {
            _log.Warning($"{Description.Directory} is read-only now: {_image.Volume.ReadOnlyReason}");
        }
    }

    /// <summary>Its figures.</summary>
    internal MountStatistics CollectStatistics()
    {
        VolumeFigures engine = _image.Volume.GetFigures();
        return new MountStatistics
        {
            Directory = Description.Directory,
            Image = Description.Image,
            Seconds = Math.Round((DateTimeOffset.UtcNow - Description.Since).TotalSeconds, 1),
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

    private void WaitForEnd()
    {
        string what = $"{Description.Image} was not closed cleanly";
        try
        {
            bool clean = _host.WaitForUnmount();
            _isClosing = true;
            string? stopped = !Description.ReadOnly && _image.Volume.IsReadOnly ? _image.Volume.ReadOnlyReason : null;
            stopped ??= _image.IsGoneWithWhatWasWritten ? MountedImage.GoneReason : null;
            if (!clean || stopped != null)
            {
                Failure = _host.Failure is { } error
                    ? Failures.Explain(error, what)
                    : new MountException(MountError.Failed, what, stopped ?? "unknown error",
                        _image.IsGoneWithWhatWasWritten ? null : "The next mount recovers it from its journal.");
            }
        }
        catch (Exception e)
        {
            Failure = Failures.Explain(e, what);
        }
        finally
        {
            _frontend.CleanUp(_host, isOfService: true);
            _target.Release();
        }
        if (Failure is { } failure)
        {
            _log.Error(failure.Message);
        }
        else
        {
            _log.Information($"unmounted {Description.Image} from {Description.Directory}; clean");
        }
    }

    private static ServiceMount Describe(string id, ServiceUser user, MountedImage image, IMountHost host, bool kept) => new()
    {
        Id = id,
        Directory = host.MountPoint,
        Image = image.Image.Path,
        Partition = image.Image.Partition,
        Offset = image.Image.Offset,
        Size = image.Image.Size,
        Label = image.Label,
        Uuid = image.Uuid,
        ReadOnly = image.Volume.IsReadOnly,
        ReadOnlyReason = image.ReadOnlyReason,
        FileSystem = host.FileSystemType,
        Device = host.DeviceName,
        Owner = user.Id,
        Pid = Environment.ProcessId,
        Since = DateTimeOffset.UtcNow,
        Kept = kept,
    };
}
