using System.CommandLine;

namespace WinLoop.Cli.Commands;

/// <summary><c>winloop info IMAGE</c>.</summary>
internal static class InfoCommand
{
    internal static Command Create() => new("info") { Hidden = true };
}
