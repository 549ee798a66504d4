using System.CommandLine;
using WinLoop.Cli.Output;
using WinLoop.Cli.Serving;
using WinLoop.Mounting;
using WinLoop.Service;
using WinLoop.Service.Client;
using WinLoop.Service.Windows;

namespace WinLoop.Cli.Commands;

/// <summary><c>winloop service run|install|uninstall|start|stop|status|resume</c>.</summary>
internal static class ServiceCommands
{
    internal static Command Create()
    {
        var command = new Command("service", "Runs, installs and asks the service that mounts for all users.")
        {
            Run(),
            Simple("install", "Installs the Windows service and starts it with Windows (administrator).", _ => Manage("install")),
            Uninstall(),
            Simple("start", "Starts the Windows service (administrator).", _ => Manage("start")),
            Simple("stop", "Stops the service: everything is unmounted first (administrator).", Stop),
            Simple("status", "Tells whether the service runs.", Status),
            Simple("resume", "Brings back this user's remembered mounts that wait for him.", Resume),
        };
        command.Action = new CommandTree.CommandAction((_, report) => Status(report));
        return command;
    }

    private static Command Run()
    {
        var socket = new Option<string?>("--socket") { Description = $"Where to serve, in place of {ServicePaths.Own.Endpoint}.", HelpName = "PATH" };
        var state = new Option<string?>("--state") { Description = $"Where mounts are remembered, in place of {ServicePaths.Own.State}.", HelpName = "FOLDER" };
        var command = new Command("run", "Is the service, until it is stopped; Windows and systemd start it so.") { socket, state };
        command.Action = new CommandTree.CommandAction((parsed, report) =>
        {
            ServicePaths own = ServicePaths.Own;
            string endpoint = parsed.GetValue(socket) ?? own.Endpoint;
            return ServiceRunner.Run(new ServicePaths(
                OperatingSystem.IsWindows() ? endpoint : Path.GetFullPath(endpoint), Path.GetFullPath(parsed.GetValue(state) ?? own.State)), report);
        });
        return command;
    }

    private static Command Uninstall()
    {
        var purge = new Option<bool>("--purge") { Description = "Also delete the remembered mounts and the service's log; no error if it is not installed." };
        var command = new Command("uninstall", "Stops and removes the Windows service (administrator).") { purge };
        command.Action = new CommandTree.CommandAction((parsed, _) =>
        {
            RequireWindows("uninstall");
            bool isPurge = parsed.GetValue(purge);
            if (OperatingSystem.IsWindows())
            {
                if (!isPurge || ServiceInstaller.IsInstalled)
                {
                    ServiceInstaller.Uninstall();
                }
                if (isPurge)
                {
                    ServiceInstaller.Purge();
                }
            }
            return 0;
        });
        return command;
    }

    private static void RequireWindows(string verb)
    {
        if (!OperatingSystem.IsWindows())
        {
            throw new MountException(MountError.Unsupported, $"service {verb}", "that is for Windows",
                "Here systemd, or whatever starts services, runs 'winloop service run'; the manual has a unit file.");
        }
    }

    private static Command Simple(string name, string description, Func<Report, int> run)
    {
        var command = new Command(name, description);
        command.Action = new CommandTree.CommandAction((_, report) => run(report));
        return command;
    }

    private static int Manage(string verb)
    {
        RequireWindows(verb);
        if (OperatingSystem.IsWindows())
        {
            if (verb == "install")
            {
                ServiceInstaller.Install();
            }
            else
            {
                ServiceInstaller.Start();
            }
        }
        return 0;
    }

    private static int Stop(Report report)
    {
        if (OperatingSystem.IsWindows() && ServiceInstaller.IsRunning)
        {
            ServiceInstaller.Stop();
            return 0;
        }
        int pid;
        using (ServiceClient client = ServiceClient.Connect("cannot stop the service"))
        {
            pid = client.Stop().Pid;
        }
        ServiceRunner.WaitForEnd(pid, report);
        return 0;
    }

    private static int Status(Report report)
    {
        using ServiceClient? client = ServiceClient.TryConnect();
        ServiceInfo? info = client?.Ping();
        string state = info is not null ? "running"
            : !OperatingSystem.IsWindows() ? "stopped"
            : ServiceInstaller.Describe();
        var answer = new ServiceStatusAnswer(state, info?.Pid, info?.Version, info?.Protocol, info?.Mounts, info?.Since, [.. info?.Waiting.Select(w => w.Image) ?? []]);
        report.Answer(answer, () => AnswerJson.Readable.ServiceStatusAnswer, writer =>
        {
            writer.WriteLine(info is null ? state
                : $"running, process {info.Pid}, version {info.Version}, {info.Mounts} {(info.Mounts == 1 ? "mount" : "mounts")}");
        });
        foreach (WaitingMount waiting in info?.Waiting ?? [])
        {
            report.Note(Printable.Text($"{waiting.Image} waits for you: 'winloop service resume' brings it back."));
        }
        return info is null ? (int)MountError.HostMissing : 0;
    }

    /// <summary>Brings back what waits for this user.</summary>
    internal static int Resume(Report report)
    {
        const string what = "cannot bring mounts back";
        var done = new List<MountAnswer>();
        var failed = new List<MountException>();
        using ServiceClient client = ServiceClient.Connect(what);
        foreach (WaitingMount waiting in client.Ping().Waiting)
        {
            try
            {
                MountResult result = client.Resume(waiting);
                done.Add(MountCommand.ToAnswer(result.Mount));
                foreach (string note in result.Notes)
                {
                    report.Note(Printable.Text(note));
                }
            }
            catch (MountException e)
            {
                failed.Add(e);
            }
        }
        report.Answer(new ResumeAnswer(done, [.. failed.Select(f => new ErrorDetail(ErrorCodes.NameOf(f.Error), (int)f.Error, f.Message, f.Hint))]),
            () => AnswerJson.Readable.ResumeAnswer, writer => done.ForEach(m => writer.WriteLine(m.Directory)));
        foreach (MountException failure in report.IsJson ? [] : failed)
        {
            report.Fail(failure);
        }
        return failed.Count == 0 ? 0 : (int)failed[0].Error;
    }
}
