using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using WinLoop.Cli.Output;
using WinLoop.Mounting;

namespace WinLoop.Cli.Commands;

/// <summary>All commands and the options that every one of them has.</summary>
internal static class CommandTree
{
    internal static readonly Option<bool> Json = new("--json") { Description = "Print the answer, or the error, as JSON.", Recursive = true };
    internal static readonly Option<bool> Quiet = new("--quiet", "-q") { Description = "Print no notes on stderr.", Recursive = true };
    internal static readonly Option<bool> Verbose = new("--verbose", "-v") { Description = "Print more notes, and where an error arose.", Recursive = true };

    /// <summary>A command: its options are parsed into a call, its answer is printed, its exit code returned.</summary>
    internal sealed class CommandAction(Func<ParseResult, Report, int> run) : SynchronousCommandLineAction
    {
        internal Func<ParseResult, Report, int> Run { get; } = run;

        public override int Invoke(ParseResult parseResult) => throw new InvalidOperationException("Program runs commands itself.");
    }

    private const string ProgramName = "winloop";

    /// <summary>Arguments that name no command, for which all of them are built.</summary>
    internal static readonly string[] Everything = [];

    /// <summary>The parser for these arguments.</summary>
    internal static Command Build(string[] args)
    {
        // Not a RootCommand, and help only when it is asked for: what they do with the console is 6 ms of a start.
        var root = new Command(ProgramName, "Mounts ext4 image files, so that every program can read and write them.");
        if (args.Length == 0 || args.Any(a => a is "--help" or "-h" or "-?" or "/?" or "/h" or "--version"))
        {
            root.Options.Add(new HelpOption());
            root.Options.Add(new VersionOption { Action = new VersionAction() });
        }
        root.Options.Add(Json);
        root.Options.Add(Quiet);
        root.Options.Add(Verbose);
        // Only the command that is called is built: the parser's objects cost a millisecond a command.
        (string Name, Func<Command> Create)[] commands =
        [
            ("mount", MountCommand.Create), ("unmount", UnmountCommand.Create), ("list", ListCommand.Create),
            ("info", InfoCommand.Create), ("scan", ScanCommand.Create), ("create", CreateCommand.Create), ("check", CheckCommand.Create),
            ("convert", ConvertCommand.Create), ("resize", ResizeCommand.Create), ("trim", TrimCommand.Create), ("overlay", OverlayCommand.Create),
            ("ls", LsCommand.Create), ("cat", CatCommand.Create), ("cp", CpCommand.Create), ("stat", StatCommand.Create),
            ("service", ServiceCommands.Create), ("doctor", DoctorCommand.Create), ("completion", CompletionCommand.Create),
            (CompleteCommand.Name, CompleteCommand.Create),
        ];
        bool isOne = args.Length > 0 && commands.Any(c => c.Name == args[0]);
        foreach ((string name, Func<Command> create) in commands)
        {
            if (!isOne || name == args[0])
            {
                root.Subcommands.Add(create());
            }
        }
        return root;
    }

    /// <summary>True for --help and --version, which the parser answers.</summary>
    internal static bool IsInformational(ParseResult parsed) => parsed.Action is HelpAction or VersionAction;

    internal static MountException UsageError(ParseResult parsed)
    {
        Command command = parsed.CommandResult.Command;
        if (command.Name == ProgramName)
        {
            string which = parsed.UnmatchedTokens.Count == 0 ? "no command given" : $"there is no command '{parsed.UnmatchedTokens[0]}'";
            return new MountException(MountError.Usage, "usage", which, $"See '{ProgramName} --help'.");
        }
        return new MountException(MountError.Usage, command.Name, parsed.Errors[0].Message.TrimEnd('.'), $"See '{ProgramName} {command.Name} --help'.");
    }
}
