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

    internal static RootCommand Build(string[] args)
    {
        var root = new RootCommand("Mounts ext4 image files, so that every program can read and write them.");
        for (int i = root.Options.Count - 1; i >= 0; i--)
        {
            if (root.Options[i] is VersionOption)
            {
                root.Options.RemoveAt(i);
            }
        }
        root.Options.Add(new VersionOption { Action = new VersionAction() });
        root.Options.Add(Json);
        root.Options.Add(Quiet);
        root.Options.Add(Verbose);
        root.Directives.Clear();
        // Only the command that is called is built: the parser's objects cost a millisecond a command.
        (string Name, Func<Command> Create)[] commands =
        [
            ("mount", MountCommand.Create), ("unmount", UnmountCommand.Create), ("list", ListCommand.Create),
            ("info", InfoCommand.Create), ("create", CreateCommand.Create), ("stat", StatCommand.Create),
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
        string name = command is RootCommand ? "winloop" : "winloop " + command.Name;
        string why = command is not RootCommand ? parsed.Errors[0].Message.TrimEnd('.')
            : parsed.UnmatchedTokens.Count == 0 ? "no command given"
            : $"there is no command '{parsed.UnmatchedTokens[0]}'";
        return new MountException(MountError.Usage, command is RootCommand ? "usage" : command.Name, why, $"See '{name} --help'.");
    }
}
