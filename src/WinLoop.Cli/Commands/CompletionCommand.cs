using System.CommandLine;
using WinLoop.Cli.Output;
using WinLoop.Mounting;

namespace WinLoop.Cli.Commands;

/// <summary><c>winloop completion bash|powershell</c>: a script by which the shell asks <c>winloop complete</c> what a word can become.</summary>
internal static class CompletionCommand
{
    private const string Bash = "bash", PowerShell = "powershell";

    internal static Command Create()
    {
        var shell = new Argument<string>("SHELL") { Description = "bash or powershell." };
        shell.CompletionSources.Add(Bash, PowerShell);
        var command = new Command("completion", "Prints a script by which a shell completes the commands.") { shell };
        command.Action = new CommandTree.CommandAction((parsed, _) =>
        {
            StandardStreams.Out.Write(parsed.GetRequiredValue(shell) switch
            {
                Bash => ForBash,
                PowerShell => ForPowerShell,
                string name => throw new MountException(MountError.Usage, "completion", $"there is none for {name}", "Give bash or powershell."),
            });
            StandardStreams.Out.Flush();
            return 0;
        });
        return command;
    }

    // Bash tears words apart at ':' and '=': they are put together again, and of an answer only the last piece is given back.
    private const string ForBash = """
        # Put this into ~/.bashrc:  source <(winloop completion bash)
        _winloop() {
            local rest="${COMP_LINE:0:COMP_POINT}" piece gap i
            local -a words=()
            for ((i = 0; i <= COMP_CWORD; i++)); do
                piece="${COMP_WORDS[i]}"
                gap="${rest%%[^[:space:]]*}"
                rest="${rest#"$gap"}"
                if ((i == COMP_CWORD)); then piece="$rest"; fi
                rest="${rest#"$piece"}"
                if ((i == 0)) || [ -n "$gap" ]; then words+=("$piece"); else words[${#words[@]} - 1]+="$piece"; fi
            done
            for i in "${!words[@]}"; do
                piece="${words[i]//[\"\']/}"
                words[i]="${piece//\\/}"
            done
            local last=$((${#words[@]} - 1))
            local current="${words[last]}"
            local torn="${current%"${current##*[:=]}"}"
            local -a found
            COMPREPLY=()
            mapfile -t found < <("${words[0]}" complete -- ":$current" "${words[@]:1:last - 1}" 2>/dev/null)
            if ((${#found[@]} == 0)); then
                mapfile -t found < <(compgen -f -- "$current")
                compopt -o filenames 2>/dev/null
                COMPREPLY=("${found[@]#"$torn"}")
                return
            fi
            for piece in "${found[@]}"; do
                printf -v piece '%q' "${piece#"$torn"}"
                COMPREPLY+=("$piece")
            done
            if ((${#found[@]} == 1)) && [[ "${found[0]}" == */ ]]; then compopt -o nospace 2>/dev/null; fi
        }
        complete -F _winloop winloop

        """;

    // Without an answer PowerShell completes files by itself.
    private const string ForPowerShell = """
        # Put this into your $PROFILE:  winloop completion powershell | Out-String | Invoke-Expression
        Register-ArgumentCompleter -Native -CommandName winloop, winloop.exe -ScriptBlock {
            param($word, $tree, $position)
            $program = $tree.CommandElements[0].ToString()
            $words = @($tree.CommandElements | Select-Object -Skip 1 |
                Where-Object { $_.Extent.EndOffset -lt $position -or ($word -eq '' -and $_.Extent.EndOffset -le $position) } |
                ForEach-Object { if ($_ -is [System.Management.Automation.Language.StringConstantExpressionAst]) { $_.Value } else { $_.ToString() } })
            $typed = $word.Trim('"', "'")
            & $program complete -- ":$typed" @words 2>$null | ForEach-Object {
                $text = if ($_ -match '[\s''"(){};,&|$`@#<>]') { "'" + ($_ -replace "'", "''") + "'" } else { $_ }
                [System.Management.Automation.CompletionResult]::new($text, $_, 'ParameterValue', $_)
            }
        }

        """;
}
