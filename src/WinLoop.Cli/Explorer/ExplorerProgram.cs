using System.CommandLine;
using System.Runtime.Versioning;
using WinLoop.Cli.Commands;
using WinLoop.Cli.Output;
using WinLoop.Cli.Serving;
using WinLoop.Mounting;
using WinLoop.Mounting.Linux;
using WinLoop.Mounting.Registry;
using WinLoop.Service.Client;

namespace WinLoop.Cli.Explorer;

/// <summary>
/// <c>winloopw.exe</c>, this program without a console: what a double-click and the verbs of the Explorer start. It mounts an
/// image at a free letter and opens its window, or goes to the drive where it is mounted already; what fails is a dialog.
/// </summary>
/// <remarks>
/// <code>
/// winloopw [--read-only] IMAGE
/// winloopw --unmount DRIVE|IMAGE
/// winloopw --resume
/// </code>
/// The exit code is that of the command behind it.
/// </remarks>
[SupportedOSPlatform("windows")]
internal static class ExplorerProgram
{
    /// <summary>The name of the program that has no console.</summary>
    internal const string Name = "winloopw";

    /// <summary>True if this process was started under that name.</summary>
    internal static bool IsMe =>
        Path.GetFileNameWithoutExtension(Environment.ProcessPath ?? "").Equals(Name, StringComparison.OrdinalIgnoreCase);

    /// <summary>Does what was clicked.</summary>
    internal static int Run(string[] args)
    {
        try
        {
            bool isReadOnly = false, isUnmount = false;
            var paths = new List<string>();
            foreach (string arg in args)
            {
                switch (arg)
                {
                    case "--read-only" or "-r":
                        isReadOnly = true;
                        break;
                    case "--resume":
                        return Resume();
                    case "--unmount":
                        isUnmount = true;
                        break;
                    default:
                        paths.Add(Clean(arg));
                        break;
                }
            }
            if (paths.Count == 0)
            {
                throw new MountException(MountError.Usage, "WinLoop", "no image was given", "Double-click an image, or drop one onto this program.");
            }
            return isUnmount ? Unmount(paths[0]) : Mount(paths[0], isReadOnly);
        }
        catch (Exception e)
        {
            MountException failure = Failures.Explain(e, "WinLoop");
            ShellCalls.ShowError(Printable.Text(failure.Message), failure.Hint);
            return (int)failure.Error;
        }
    }

    /// <summary>What the Explorer passes for the root of a drive, <c>"C:\"</c> in quotes, arrives as <c>C:"</c>.</summary>
    internal static string Clean(string argument) => argument.TrimEnd('"') is [_, ':'] drive ? drive + '\\' : argument.TrimEnd('"');

    private static int Mount(string image, bool isReadOnly)
    {
        string path = HostPath.Resolve(image);
        // A second double-click means the drive that is there.
        if (ServiceMounts.ListAll().FirstOrDefault(m => m.Record.Image == path && m.State != MountState.Dead) is { } mounted)
        {
            ShellCalls.OpenWindow(mounted.Record.Directory + '\\');
            return 0;
        }
        using var answer = new StringWriter();
        int code = Command(answer, isReadOnly ? ["mount", "--open=false", "--read-only", "--", image] : ["mount", "--open=false", "--", image]);
        if (code == 0)
        {
            string drive = answer.ToString().Trim() + '\\';
            ShellCalls.NotifyDrive(drive, isAdded: true);
            ShellCalls.OpenWindow(drive);
        }
        return code;
    }

    // At the logon: what the service remembers and may open with this user's rights only. Without a service, or with nothing
    // that waits, nothing is to be seen of it; a failure is a dialog, as the user expects the drive.
    private static int Resume()
    {
        using var answer = new StringWriter();
        try
        {
            using (ServiceClient? client = ServiceClient.TryConnect())
            {
                if (client?.Ping().Waiting is not { Count: > 0 })
                {
                    return 0;
                }
            }
            int code = Command(answer, ["service", "resume"]);
            foreach (string drive in answer.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
            {
                ShellCalls.NotifyDrive(drive + '\\', isAdded: true);
            }
            return code;
        }
        catch (MountException e) when (e.Error == MountError.HostMissing)
        {
            return 0;
        }
    }

    private static int Unmount(string target)
    {
        using var answer = new StringWriter();
        string place = target.TrimEnd('\\');
        try
        {
            _ = Command(answer, ["unmount", "--", place]);
        }
        catch (MountException e) when (e.Error == MountError.Busy)
        {
            if (!ShellCalls.Ask($"{Printable.Text(e.Message)}\n\nUnmount it all the same? What programs have written is kept; their open files end."))
            {
                return (int)e.Error;
            }
            _ = Command(answer, ["unmount", "--force", "--", place]);
        }
        if (place is [_, ':'])
        {
            ShellCalls.NotifyDrive(place + '\\', isAdded: false);
        }
        return 0;
    }

    // One command of the command line, its answer as text; errors are thrown.
    private static int Command(StringWriter answer, string[] args)
    {
        ParseResult parsed = CommandTree.Build(args).Parse(args);
        if (parsed.Errors.Count > 0)
        {
            throw CommandTree.UsageError(parsed);
        }
        StandardStreams.Capture(answer);
        var report = new CapturingReport();
        int code = ((CommandTree.CommandAction)parsed.CommandResult.Command.Action!).Run(parsed, report);
        return report.Failure is { } failure ? throw failure : code;
    }

    // Keeps an error that a command reports instead of throwing it.
    private sealed class CapturingReport() : Report(json: false, quiet: true, verbose: false)
    {
        internal MountException? Failure { get; private set; }

        internal override int Fail(MountError error, string message, string? hint)
        {
            Failure = MountException.FromMessage(error, message, hint);
            return (int)error;
        }
    }
}
