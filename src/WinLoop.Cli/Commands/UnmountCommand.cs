using System.CommandLine;
using WinLoop.Cli.Output;
using WinLoop.Cli.Serving;
using WinLoop.Mounting;
using WinLoop.Mounting.Control;
using WinLoop.Mounting.Linux;
using WinLoop.Mounting.Registry;
using WinLoop.Service.Client;

namespace WinLoop.Cli.Commands;

/// <summary><c>winloop unmount DIR|IMAGE</c>: returns when the image is closed and clean.</summary>
internal static class UnmountCommand
{
    private const int MostUsersNamed = 8;

    internal static Command Create()
    {
        var target = new Argument<string?>("DIR|IMAGE") { Description = "The mount point, or the image that is mounted.", Arity = ArgumentArity.ZeroOrOne };
        var all = new Option<bool>("--all", "-a") { Description = "All mounts of this user." };
        var force = new Option<bool>("--force", "-f") { Description = "Although files are open: what was written is kept, then they are cut off." };
        var ownOnly = new Option<bool>("--no-service") { Description = "With --all: leave the mounts of the service." };
        var command = new Command("unmount", "Undoes a mount; returns when the image is closed and clean.") { target, all, force, ownOnly };
        command.Aliases.Add("umount");
        command.Action = new CommandTree.CommandAction((parsed, report) =>
        {
            string? named = parsed.GetValue(target);
            if (named is null != parsed.GetValue(all))
            {
                throw new MountException(MountError.Usage, "unmount", named is null ? "no mount was named" : "a mount and --all exclude each other",
                    "Name a mount point or an image, or give --all.");
            }
            if (named is not null && parsed.GetValue(ownOnly))
            {
                throw new MountException(MountError.Usage, "unmount", "--no-service goes with --all only", "Leave it out.");
            }
            return named is null ? RunAll(parsed.GetValue(force), parsed.GetValue(ownOnly), report) : Run(named, parsed.GetValue(force), report);
        });
        return command;
    }

    private static int Run(string target, bool force, Report report)
    {
        UnmountAnswer answer = ForgetRemembered(target) ?? Unmount(MountFinder.Find(target, "cannot unmount " + target), target, force, report);
        report.Answer(answer, () => AnswerJson.Readable.UnmountAnswer, _ => { });
        return 0;
    }

    // One that the service remembers and has not mounted is forgotten.
    private static UnmountAnswer? ForgetRemembered(string target)
    {
        string path = HostPath.Resolve(target);
        if (ServiceMounts.List().FirstOrDefault(m => !ServiceMounts.IsMounted(m) && (m.Image == path || m.Id == target)) is not { } remembered)
        {
            return null;
        }
        using ServiceClient client = ServiceClient.Connect("cannot forget " + target);
        client.Unmount(remembered.Id, force: false);
        return new UnmountAnswer(remembered.Directory, remembered.Image);
    }

    // One that fails does not keep the others.
    private static int RunAll(bool force, bool ownOnly, Report report)
    {
        var done = new List<UnmountAnswer>();
        var failed = new List<MountException>();
        // Of the service's mounts the user is told his own, an administrator all.
        IReadOnlyList<KnownMount> mounts = ownOnly ? MountRegistry.ListAll() : ServiceMounts.ListAll();
        foreach (KnownMount mount in mounts.Where(m => CurrentUser.IsRoot || m.Record.ServiceId != null || m.Record.Owner == CurrentUser.Uid))
        {
            try
            {
                done.Add(Unmount(mount, mount.Record.Directory, force, report));
            }
            catch (MountException e)
            {
                failed.Add(e);
            }
        }
        var answer = new UnmountAllAnswer(done, [.. failed.Select(f => new ErrorDetail(ErrorCodes.NameOf(f.Error), (int)f.Error, f.Message, f.Hint))]);
        report.Answer(answer, () => AnswerJson.Readable.UnmountAllAnswer, _ => { });
        foreach (MountException failure in report.IsJson ? [] : failed)
        {
            report.Fail(failure);
        }
        return failed.Count switch
        {
            0 => 0,
            1 => (int)failed[0].Error,
            _ => (int)MountError.Failed,
        };
    }

    private static UnmountAnswer Unmount(KnownMount mount, string target, bool force, Report report)
    {
        MountRecord record = mount.Record;
        string what = $"cannot unmount {target}";
        if (record.ServiceId is { } id)
        {
            using ServiceClient client = ServiceClient.Connect(what);
            client.Unmount(id, force);
            report.Note($"Unmounted {Printable.Text(record.Image)}.");
            return new UnmountAnswer(record.Directory, record.Image);
        }
        if (OperatingSystem.IsLinux() && !CurrentUser.IsRoot && record.Owner != CurrentUser.Uid)
        {
            throw new MountException(MountError.Denied, what, "it is another user's mount", "Run it as that user, or as root.");
        }
        if (mount.State == MountState.Mounted)
        {
            Detach(record, force, what);
        }
        else if (mount.State == MountState.Dead)
        {
            BuryDead(mount, what);
        }
        WaitUntilClosed(mount, what, report);
        report.Note($"Unmounted {Printable.Text(record.Image)}.");
        return new UnmountAnswer(record.Directory, record.Image);
    }

    private static void Detach(MountRecord record, bool force, string what)
    {
        if (OperatingSystem.IsWindows())
        {
            ControlAnswer answer = ControlPipe.Ask(ControlPipe.NameOf(record.Id), force ? ControlCommand.ForceUnmount : ControlCommand.Unmount, what);
            if (!answer.Done)
            {
                throw Busy(what, answer.Users ?? "");
            }
            return;
        }
        string directory = record.Directory;
        int errno = Unmounter.Unmount(directory);
        if (errno == Unmounter.Busy && force)
        {
            Unmounter.Abort(directory);
        }
        else if (errno == Unmounter.Busy)
        {
            IReadOnlyList<string> users = OpenFiles.FindUsers(directory);
            throw Busy(what, string.Join(", ", users.Take(MostUsersNamed)) +
                (users.Count > MostUsersNamed ? $" and {users.Count - MostUsersNamed} more" : ""));
        }
        else if (errno != 0)
        {
            throw Failures.ExplainErrno(errno, what);
        }
    }

    private static MountException Busy(string what, string users) =>
        new(MountError.Busy, what, users.Length == 0 ? "it is in use" : "it is used by " + users,
            "Close these programs, or leave the directory, and try again; --force cuts them off.");

    // The kernel still has the mount, but nobody answers: it is taken away, and nothing is left to wait for.
    private static void BuryDead(KnownMount mount, string what)
    {
        MountRecord record = mount.Record;
        int errno = Unmounter.Unmount(record.Directory, lazy: true);
        if (errno != 0)
        {
            throw Failures.ExplainErrno(errno, what);
        }
        LoopDevices.WaitForDetach(record.Device, record.Image);
        string? last = mount.Registry.LastLogLine(record.Id);
        mount.Registry.Remove(record.Id);
        new MountPoint(record.Directory, record.OwnsDirectory).Release();
        throw new MountException(MountError.Failed, $"unmounted {record.Directory}, but {record.Image} was not closed",
            "its serving process had died" + (last == null ? "" : $" ({last})"),
            record.ReadOnly ? "It was mounted read-only: nothing is lost." : "The next mount recovers it from its journal.");
    }

    private static void WaitUntilClosed(KnownMount mount, string what, Report report)
    {
        ProcessIdentity server = mount.Record.Process;
        for (int seconds = 0; !server.WaitForExit(TimeSpan.FromSeconds(seconds == 0 ? 2 : 10)); seconds++)
        {
            report.Note($"Waiting until {Printable.Text(mount.Record.Image)} is closed ...");
        }
        // A server that closed the image has taken its record away.
        if (mount.Registry.Read(mount.Record.Id) is { } left)
        {
            mount.Registry.Remove(left.Id);
            new MountPoint(left.Directory, left.OwnsDirectory).Release();
            throw new MountException(MountError.Failed, what, left.Failure ?? "the serving process ended before the image was closed",
                "The directory is free; the next mount recovers the image from its journal.");
        }
    }
}
