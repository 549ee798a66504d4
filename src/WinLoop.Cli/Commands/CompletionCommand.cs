using System.CommandLine;
using WinLoop.Cli.Output;
using WinLoop.Mounting;

namespace WinLoop.Cli.Commands;

/// <summary><c>winloop completion bash|powershell</c>: a script by which the shell completes commands, options and mounts.</summary>
internal static class CompletionCommand
{
    private const string Bash = "bash", PowerShell = "powershell";

    internal static Command Create()
    {
        var shell = new Argument<string>("SHELL") { Description = "bash or powershell." };
        var command = new Command("completion", "Prints a script by which a shell completes the commands.") { shell };
        command.Action = new CommandTree.CommandAction((parsed, _) =>
        {
            string name = parsed.GetRequiredValue(shell);
            if (name is not (Bash or PowerShell))
            {
                throw new MountException(MountError.Usage, "completion", $"there is none for {name}", "Give bash or powershell.");
            }
            // Everything the parser knows, so that the script never lags behind.
            Command root = CommandTree.Build([]);
            string[] common = [.. root.Options.Where(o => o.Recursive).SelectMany(Names)];
            (string Name, string[] Words)[] commands =
                [.. root.Subcommands.Select(c => (c.Name, (string[])[.. c.Options.Where(o => !o.Hidden).SelectMany(Names), .. common]))];
            StandardStreams.Out.Write(name == Bash ? ForBash(commands) : ForPowerShell(commands));
            StandardStreams.Out.Flush();
            return 0;
        });
        return command;
    }

    private static IEnumerable<string> Names(Option option) => option.Aliases.Prepend(option.Name).Where(n => n.StartsWith("--", StringComparison.Ordinal));

    private static string ForBash((string Name, string[] Words)[] commands) => $$"""
        # Put this into ~/.bashrc:  source <(winloop completion bash)
        _winloop() {
            local current="${COMP_WORDS[COMP_CWORD]}" command="${COMP_WORDS[1]}" words=""
            COMPREPLY=()
            if [ "$COMP_CWORD" -eq 1 ]; then
                COMPREPLY=($(compgen -W "{{string.Join(' ', commands.Select(c => c.Name))}} --help --version" -- "$current"))
                return
            fi
            case "$command" in
        {{string.Join('\n', commands.Select(c => $"        {c.Name}) words=\"{string.Join(' ', c.Words)} --help\" ;;"))}}
            esac
            if [[ "$current" == -* ]]; then
                COMPREPLY=($(compgen -W "$words" -- "$current"))
            elif [ "$command" = unmount ] || [ "$command" = stat ]; then
                local IFS=$'\n'
                COMPREPLY=($(compgen -W "$(winloop list --json 2>/dev/null | sed -n 's/^ *"directory": "\(.*\)",$/\1/p')" -- "$current") $(compgen -f -- "$current"))
            else
                local IFS=$'\n'
                COMPREPLY=($(compgen -f -- "$current"))
            fi
        }
        complete -o filenames -o bashdefault -F _winloop winloop

        """;

    private static string ForPowerShell((string Name, string[] Words)[] commands) => $$"""
        # Put this into your $PROFILE:  winloop completion powershell | Out-String | Invoke-Expression
        Register-ArgumentCompleter -Native -CommandName winloop, winloop.exe -ScriptBlock {
            param($word, $tree, $position)
            $options = @{
        {{string.Join('\n', commands.Select(c => $"        '{c.Name}' = @({string.Join(", ", c.Words.Append("--help").Select(w => $"'{w}'"))})"))}}
            }
            $elements = @($tree.CommandElements | ForEach-Object { $_.ToString() })
            $isCommand = $elements.Count -lt 2 -or ($elements.Count -eq 2 -and $word -ne '')
            $candidates = if ($isCommand) { @($options.Keys) + '--help', '--version' }
                elseif ($word -like '-*') { $options[$elements[1]] }
                elseif ($elements[1] -in 'unmount', 'stat') { (winloop list --json | ConvertFrom-Json).mounts.directory }
            $candidates | Where-Object { $_ -like "$word*" } | Sort-Object | ForEach-Object {
                [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
            }
        }

        """;
}
