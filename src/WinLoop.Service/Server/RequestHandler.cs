using WinLoop.Mounting;
using WinLoop.Service.Kept;
using WinLoop.Service.Mounts;
using WinLoop.Service.Protocol;

namespace WinLoop.Service.Server;

/// <summary>Does what a client asks. It decides nothing about rights by itself: the mount table and the opened image do.</summary>
internal sealed class RequestHandler(ServedMounts mounts, KeptMounts kept, KeptImages keptImages, ServiceLimits limits, Action requestStop)
{
    private const int MaxPath = 32_767;
    private readonly DateTimeOffset _since = DateTimeOffset.UtcNow;

    /// <summary>Answers one request.</summary>
    internal ServiceAnswer Handle(ServiceRequest request, ClientConnection client)
    {
        var notes = new List<string>();
        string what = request.Command == ServiceCommand.Mount ? $"cannot mount {request.Mount?.Image}" : "the service";
        try
        {
            if (request.Version != ServiceProtocol.Version)
            {
                throw new MountException(MountError.Unsupported, what,
                    $"the service speaks protocol {ServiceProtocol.Version}, this program {request.Version}", "Use the program and the service of one version.");
            }
            ServiceUser user = client.Identify();
            ServiceAnswer answer = request.Command switch
            {
                ServiceCommand.Ping => new ServiceAnswer { Info = Describe(user) },
                ServiceCommand.List => new ServiceAnswer { Mounts = [.. mounts.List(user), .. ListKept(user)] },
                ServiceCommand.Mount => new ServiceAnswer { Mount = Mount(request.Mount, client, user, notes) },
                ServiceCommand.Unmount => new ServiceAnswer { Mount = Unmount(request, user) },
                ServiceCommand.Statistics => new ServiceAnswer { Statistics = mounts.Statistics(request.Id, user) },
                ServiceCommand.Resume => new ServiceAnswer { Mount = Resume(request.Id, client, user, notes) },
                ServiceCommand.Sync => Synchronize(request.Id, user),
                ServiceCommand.Stop => Stop(user),
                _ => throw new MountException(MountError.Usage, what, "it does not know this request"),
            };
            return answer with { Notes = notes };
        }
        catch (Exception e)
        {
            MountException failure = Failures.Explain(e, what);
            return new ServiceAnswer { Error = new ServiceError((int)failure.Error, failure.Message, failure.Hint), Notes = notes };
        }
    }

    /// <summary>Undoes a mount whose maker could not be told of it.</summary>
    internal void TakeBack(ServiceMount mount)
    {
        kept.Forget(k => k.MountId == mount.Id);
        mounts.All.FirstOrDefault(m => m.Description.Id == mount.Id)?.Unmount(force: true, limits.Unmount);
    }

    /// <summary>Brings the remembered mounts back; what cannot be is a warning.</summary>
    internal void RestoreKept(ServiceLog log)
    {
        foreach (KeptMount entry in kept.All.Where(k => k.MountId is null))
        {
            string what = $"cannot mount {entry.Order.Image} again";
            try
            {
                ServedMount mount = Restore(entry, keptImages.Open(entry, what), []);
                log.Information($"brought back {entry.Order.Image} on {mount.Description.Directory}");
            }
            catch (WaitException e)
            {
                kept.Update(entry.Id, k => k with { State = ServiceMount.Waiting, Reason = e.Message });
                log.Information($"{what}: {e.Message}");
            }
            catch (Exception e)
            {
                kept.Update(entry.Id, k => k with { State = ServiceMount.Missing, Reason = e.Message });
                log.Warning($"{Failures.Explain(e, what).Message}");
            }
        }
    }

    private ServiceInfo Describe(ServiceUser user) => new()
    {
        Version = typeof(RequestHandler).Assembly.GetName().Version?.ToString(3) ?? "",
        Protocol = ServiceProtocol.Version,
        Pid = Environment.ProcessId,
        Mounts = mounts.All.Count,
        Since = _since,
        Waiting = [.. kept.All.Where(k => k is { MountId: null, State: ServiceMount.Waiting } && k.Owner == user.Id)
            .Select(k => new WaitingMount(k.Id, k.Order.Image, !k.IsWritable))],
    };

    private IEnumerable<ServiceMount> ListKept(ServiceUser user) =>
        kept.All.Where(k => k.MountId is null && (user.IsAdministrator || k.Owner == user.Id)).Select(k => new ServiceMount
        {
            Id = k.Id,
            Image = k.Order.Image,
            Directory = k.Order.Directory ?? "",
            Partition = k.Order.Partition,
            ReadOnly = !k.IsWritable,
            Owner = k.Owner,
            State = k.State,
            Reason = k.Reason,
            Kept = true,
        });

    private ServiceMount Mount(MountOrder? order, ClientConnection client, ServiceUser user, List<string> notes)
    {
        if (order is not { Image.Length: > 0 and <= MaxPath, Directory: null or { Length: <= MaxPath } })
        {
            throw new MountException(MountError.Usage, "cannot mount", "no image was named");
        }
        string what = $"cannot mount {order.Image}";
        MountRequest request = ToRequest(order, notes);
        ImageHandle file = client.OpenImage(order, what);
        if (order.Keep && kept.All.Count(k => k.Owner == user.Id) >= (user.IsAdministrator ? limits.Mounts : limits.MountsPerUser))
        {
            file.Dispose();
            throw new MountException(MountError.Busy, what, "too many mounts of this user are remembered", "Undo one of them first.");
        }
        bool isWritable = !file.IsReadOnly && !request.Options.IsReadOnly;
        string image = file.Path, id = Guid.NewGuid().ToString("N");
        string? directory = null;
        ServedMount mount = mounts.Mount(request with { Image = image }, user, file, opened =>
        {
            if (order.Keep && opened.Image.Identity.IsBlockDevice)
            {
                throw new MountException(MountError.Unsupported, what, "only image files can be remembered, not devices", "Leave out --keep.");
            }
            MountTarget target = client.FindTarget(order, user, image);
            directory = target.Point.Path;
            return target;
        }, order.Keep, notes);
        if (order.Keep)
        {
            try
            {
                kept.Add(new KeptMount
                {
                    Id = id,
                    Owner = user.Id,
                    Group = keptImages.GroupOf(user),
                    IsAdministrator = user.IsAdministrator,
                    Order = order with { Image = image, Directory = order.Directory is null ? null : directory, Options = MountOptionWriter.ToList(request.Options) },
                    Fingerprint = mount.Fingerprint,
                    IsWritable = isWritable,
                    MountId = mount.Description.Id,
                });
            }
            catch (MountException e)
            {
                notes.Add(e.Message + ".");
            }
        }
        return mount.Description;
    }

    private ServiceMount Resume(string? id, ClientConnection client, ServiceUser user, List<string> notes)
    {
        const string what = "cannot bring the mount back";
        KeptMount entry = kept.All.FirstOrDefault(k => k.Id == id && k.Owner == user.Id)
            ?? throw new MountException(MountError.NotFound, what, "there is no such mount of this user");
        if (entry.MountId is not null)
        {
            throw new MountException(MountError.Busy, what, "it is back already");
        }
        return Restore(entry, client.OpenImage(entry.Order, what), notes, user).Description;
    }

    private ServedMount Restore(KeptMount entry, ImageHandle file, List<string> notes, ServiceUser? user = null)
    {
        string path = file.Path;
        bool isBack = false;
        ServedMount mount = mounts.Mount(ToRequest(entry.Order, notes) with { Image = path }, user ?? keptImages.UserOf(entry), file, opened =>
        {
            // Opened by the user himself it may be another file by now; by us it must be the same.
            if (user is null && ImageFingerprint.Of(opened.Image) != entry.Fingerprint)
            {
                throw new MountException(MountError.Failed, $"cannot mount {path} again", "another file is in its place now", "Mount it again to use that one.");
            }
            return keptImages.FindTarget(entry, path);
        }, kept: true, notes);
        kept.Update(entry.Id, k =>
        {
            isBack = true;
            return k with { MountId = mount.Description.Id, Reason = null };
        });
        if (!isBack)
        {
            // It was forgotten in the meantime.
            mount.Unmount(force: true, limits.Unmount);
        }
        return mount;
    }

    private ServiceMount Unmount(ServiceRequest request, ServiceUser user)
    {
        // One that is only remembered is forgotten.
        if (kept.All.FirstOrDefault(k => k.Id == request.Id && k.MountId is null && (user.IsAdministrator || k.Owner == user.Id)) is { } waiting)
        {
            kept.Forget(k => k.Id == waiting.Id);
            return new ServiceMount { Id = waiting.Id, Image = waiting.Order.Image, Directory = waiting.Order.Directory ?? "", Owner = waiting.Owner };
        }
        ServiceMount done = mounts.Unmount(request.Id, user, request.Force);
        kept.Forget(k => k.MountId == done.Id);
        return done;
    }

    private ServiceAnswer Synchronize(string? id, ServiceUser user)
    {
        if (id is not null)
        {
            mounts.Find(id, user, "cannot write out").Synchronize();
            return new ServiceAnswer();
        }
        return mounts.Synchronize(m => user.IsAdministrator || m.User.Id == user.Id, limits.Stop)
            ? new ServiceAnswer()
            : throw new MountException(MountError.Failed, "cannot write out", "it takes too long");
    }

    private ServiceAnswer Stop(ServiceUser user)
    {
        if (!user.IsAdministrator)
        {
            throw new MountException(MountError.Denied, "cannot stop the service", "it serves others too", "Ask as an administrator.");
        }
        requestStop();
        return new ServiceAnswer { Info = Describe(user) };
    }

    private static MountRequest ToRequest(MountOrder order, List<string> notes) => new()
    {
        Image = order.Image,
        Directory = order.Directory,
        Partition = order.Partition is null or >= 1
            ? order.Partition
            : throw new MountException(MountError.Usage, "mount", $"there is no partition {order.Partition}"),
        Options = MountOptionParser.Parse(order.Options ?? "", new MountOptions(), notes),
        Windows = (order.Windows ?? new WindowsWords()).ToOptions(),
    };
}
