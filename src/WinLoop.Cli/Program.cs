using System.CommandLine;
using WinLoop.Cli.Commands;
using WinLoop.Cli.Explorer;
using WinLoop.Cli.Output;
using WinLoop.Mounting;

namespace WinLoop.Cli;

/// <summary>The command line: parses, runs one command, turns what goes wrong into one line and an exit code.</summary>
internal static class Program
{
    private static int Main(string[] args)
    {
        if (OperatingSystem.IsWindows() && ExplorerProgram.IsMe)
        {
            return ExplorerProgram.Run(args);
        }
        Command root = CommandTree.Build(args);
        ParseResult parsed = root.Parse(args);
        var report = new Report(
            json: parsed.GetValue(CommandTree.Json) || args.Contains("--json"),
            quiet: parsed.GetValue(CommandTree.Quiet),
            verbose: parsed.GetValue(CommandTree.Verbose));
        try
        {
            if (CommandTree.IsInformational(parsed))
            {
                return parsed.Invoke();
            }
            if (parsed.Errors.Count > 0 || parsed.CommandResult.Command == root)
            {
                throw CommandTree.UsageError(parsed);
            }
            return ((CommandTree.CommandAction)parsed.CommandResult.Command.Action!).Run(parsed, report);
        }
        catch (Exception e)
        {
            MountException failure = Failures.Explain(e, "winloop " + parsed.CommandResult.Command.Name);
            return report.Fail(failure);
        }
    }
}
