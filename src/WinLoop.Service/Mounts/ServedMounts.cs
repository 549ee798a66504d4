using System.Globalization;
using WinLoop.Mounting;
using WinLoop.Mounting.Statistics;
using WinLoop.Service.Server;

namespace WinLoop.Service.Mounts;

/// <summary>The mount table: who has mounted what, and who may do what to it.</summary>
internal sealed class ServedMounts(ServiceLimits limits, ServiceLog log)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, ServedMount> _mounts = [];
    // Mounts that are being made count too, by user.
    private readonly List<string> _pending = [];
    private bool _isStopping;
    private int _lastId;

    /// <summary>Called, outside of any lock, when a mount was made or has ended.</summary>
    internal Action? Changed { get; set; }

    /// <summary>All mounts.</summary>
    internal IReadOnlyList<ServedMount> All
    {
        get
        {
            lock (_gate)
            {
                return [.. _mounts.Values];
            }
        }
    }

    /// <summary>A name that no other mount of this process has.</summary>
    internal string NewId() =>
        string.Create(CultureInfo.InvariantCulture, $"s{Environment.ProcessId}-{Interlocked.Increment(ref _lastId)}");

    /// <summary>Mounts an image for a user. Others are not kept waiting, however long it takes.</summary>
    /// <exception cref="MountException">Nothing is mounted; the image is closed.</exception>
    internal ServedMount Mount(MountRequest request, ServiceUser user, ImageHandle file, Func<OpenedImage, MountTarget> place, bool kept, List<string> notes)
    {
        string what = $"cannot mount {request.Image}";
        try
        {
            Reserve(user, what);
        }
        catch
        {
            file.Dispose();
            throw;
        }
        try
        {
            if (!user.IsAdministrator && request.Options.CacheBytes > limits.CacheBytes)
            {
                notes.Add($"The cache is limited to {ByteSize.Format(limits.CacheBytes)} here.");
                request = request with { Options = request.Options with { CacheBytes = limits.CacheBytes } };
            }
            ServedMount mount = ServedMount.Start(NewId(), request, user, file, place, kept, notes, log);
            bool tooLate;
            lock (_gate)
            {
                tooLate = _isStopping;
                _mounts.Add(mount.Description.Id, mount);
            }
            mount.Watch(Forget);
            if (tooLate)
            {
                mount.Unmount(force: true, limits.Stop);
                throw Stopping(what);
            }
            log.Information($"{mount.Summary}; for {user.Id}");
            Changed?.Invoke();
            return mount;
        }
        finally
        {
            lock (_gate)
            {
                _pending.Remove(user.Id);
            }
        }
    }

    /// <summary>The mounts a user may know of: his own, for an administrator all.</summary>
    internal IReadOnlyList<ServiceMount> List(ServiceUser user) =>
        [.. All.Where(m => MayTouch(user, m)).Select(m => m.Describe())];

    /// <summary>Finds a mount that the user may touch.</summary>
    /// <exception cref="MountException">There is none of that name, or it is another user's.</exception>
    internal ServedMount Find(string? id, ServiceUser user, string what)
    {
        ServedMount? mount;
        lock (_gate)
        {
            mount = id is null ? null : _mounts.GetValueOrDefault(id);
        }
        return mount is null ? throw new MountException(MountError.NotFound, what, "the service has no such mount", "'winloop list' shows what there is.")
            : MayTouch(user, mount) ? mount
            : throw new MountException(MountError.Denied, what, "the mount belongs to another user", "Ask as that user, or as an administrator.");
    }

    /// <summary>Undoes a mount and waits for the closed image.</summary>
    /// <exception cref="MountException">It is another's, is busy, or was not closed cleanly.</exception>
    internal ServiceMount Unmount(string? id, ServiceUser user, bool force)
    {
        ServedMount mount = Find(id, user, "cannot unmount");
        mount.Unmount(force, limits.Unmount);
        return mount.Description;
    }

    /// <summary>The figures of a mount.</summary>
    internal MountStatistics Statistics(string? id, ServiceUser user) => Find(id, user, "cannot get the figures").CollectStatistics();

    /// <summary>Everything written so far goes onto the media, of all mounts side by side.</summary>
    /// <param name="which">Null = all.</param>
    /// <param name="limit">When to stop waiting.</param>
    internal bool Synchronize(Predicate<ServedMount>? which, TimeSpan limit) => ForAll(which, limit, "writing out", m => m.Synchronize());

    /// <summary>Leaves all images committed, whole and clean; the mounts stay.</summary>
    /// <returns>False if one was not done in time.</returns>
    internal bool Suspend(TimeSpan limit) => ForAll(null, limit, "writing out", m => m.Suspend());

    /// <summary>Looks whether images were changed while the machine slept.</summary>
    /// <returns>False if one was not done in time.</returns>
    internal bool Resume(TimeSpan limit) => ForAll(null, limit, "looking at", m => m.Resume());

    /// <summary>Undoes all mounts side by side, whoever has files open, and admits no more.</summary>
    /// <returns>True if every image was closed in time, clean or not.</returns>
    internal bool Stop()
    {
        lock (_gate)
        {
            _isStopping = true;
        }
        _ = ForAll(null, limits.Stop, "closing", m => m.Unmount(force: true, limits.Stop));
        return All.Count == 0;
    }

    private bool ForAll(Predicate<ServedMount>? which, TimeSpan limit, string what, Action<ServedMount> action)
    {
        // A thread for each: one that hangs, on a disk that is gone, must not keep the others from their medium.
        List<Thread> threads = [];
        foreach (ServedMount mount in All.Where(m => which is null || which(m)))
        {
            Thread thread = new(() =>
            {
                try
                {
                    action(mount);
                }
                catch (Exception e)
                {
                    log.Error($"{what} {mount.Description.Image}: {e.Message}");
                }
            }, 256 * 1024) { IsBackground = true };
            thread.Start();
            threads.Add(thread);
        }
        long end = Environment.TickCount64 + (long)limit.TotalMilliseconds;
        return threads.TrueForAll(t => t.Join((int)Math.Max(0, end - Environment.TickCount64)));
    }

    private void Reserve(ServiceUser user, string what)
    {
        lock (_gate)
        {
            if (_isStopping)
            {
                throw Stopping(what);
            }
            int own = _mounts.Values.Count(m => m.User.Id == user.Id) + _pending.Count(p => p == user.Id);
            if (_mounts.Count + _pending.Count >= limits.Mounts || (!user.IsAdministrator && own >= limits.MountsPerUser))
            {
                throw new MountException(MountError.Busy, what, $"there are {own} mounts of this user and {_mounts.Count} in all, which is the limit",
                    "Undo one of them first.");
            }
            _pending.Add(user.Id);
        }
    }

    private void Forget(ServedMount mount)
    {
        lock (_gate)
        {
            _mounts.Remove(mount.Description.Id);
        }
        Changed?.Invoke();
    }

    private static bool MayTouch(ServiceUser user, ServedMount mount) => user.IsAdministrator || mount.User.Id == user.Id;

    private static MountException Stopping(string what) =>
        new(MountError.HostMissing, what, "the service is stopping", "Start it again with 'winloop service start'.");
}
