namespace WinLoop.Cli.Tests;

/// <summary>What the tab key gives, in a real bash that reads the script and calls the program back.</summary>
public sealed class CompletionTests : IDisposable
{
    private readonly Workspace _work = new();

    public CompletionTests() => Shell.Require("bash", "mkfs.ext4");

    public void Dispose() => _work.Dispose();

    // As readline does it: words are torn at COMP_WORDBREAKS, quotes stay, the cursor is at the end.
    private string[] Complete(string line)
    {
        File.WriteAllText(_work["complete.sh"], $$"""
            cd {{_work.Folder}}
            winloop() { {{WinLoopProgram.Path}} "$@"; }
            source <(winloop completion bash)
            COMP_LINE="$1"; COMP_POINT=${#COMP_LINE}
            mapfile -t COMP_WORDS < <(python3 - "$COMP_LINE" <<'END'
            import re, sys
            line = sys.argv[1]
            words = re.findall(r'[:=]+|(?:\\.|[^\s:=\\])+', line)
            print('\n'.join(words + ([''] if line[-1] in ' :=' else [])))
            END
            )
            if [[ "$COMP_LINE" == *[:=] ]]; then unset "COMP_WORDS[-1]"; fi
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            _winloop
            for reply in "${COMPREPLY[@]}"; do echo "$reply"; done
            """);
        Shell.Require("python3");
        Shell.Result result = Shell.Run("bash", [_work["complete.sh"], line]);
        Assert.Equal("", result.Error);
        return result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    [Theory]
    [InlineData("winloop mo", "mount")]
    [InlineData("winloop che", "check")]
    [InlineData("winloop c", "check create cat convert cp completion")]
    [InlineData("winloop --v", "--version")]
    [InlineData("winloop check --re", "--repair")]
    [InlineData("winloop mount --read", "--read-only")]
    [InlineData("winloop cp --arch", "--archive")]
    [InlineData("winloop ls --js", "--json")]
    [InlineData("winloop umount --al", "--all")]
    [InlineData("winloop mount --log-level w", "warning")]
    [InlineData("winloop mount --log-level=t", "trace")]
    [InlineData("winloop create x 1G --block-size 4", "4096")]
    [InlineData("winloop completion ", "bash powershell")]
    [InlineData("winloop nonsense ", "")]
    [InlineData("winloop mount --se", "--service")]
    public void Commands_options_and_values(string line, string expected)
    {
        string[] words = expected.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words.Length == 0)
        {
            // No answer of ours: files, of which only the script itself is here.
            Assert.DoesNotContain(Complete(line), c => c != "complete.sh");
            return;
        }
        Assert.Equal(words.Order(), Complete(line).Order());
    }

    [Fact]
    public void Files_of_the_host_and_of_an_image()
    {
        string image = _work.MakeImage("pi.img");
        string source = _work.MakeDirectory("etc");
        Shell.Script($"cd {source}; mkdir network; touch hosts hostname 'host of spaces' .hidden");
        WinLoopProgram.Succeed("cp", "-r", source, image + ":/");
        string hash = Workspace.HashOf(image);
        Assert.Equal(["pi.img"], Complete("winloop mount pi"));
        Assert.Equal(["/etc/", "/lost+found/"], Complete("winloop ls pi.img:/"));
        Assert.Equal(["/etc/host\\ of\\ spaces", "/etc/hostname", "/etc/hosts"], Complete("winloop cat pi.img:/etc/ho"));
        Assert.Equal(["/etc/network/"], Complete("winloop cp x pi.img:/etc/n"));
        Assert.Equal(["/etc/.hidden"], Complete("winloop cp x pi.img:/etc/."));
        Assert.Equal(["/etc/host\\ of\\ spaces"], Complete("winloop cat pi.img:/etc/host\\ o"));
        Assert.DoesNotContain(Complete("winloop ls pi.img:/none/"), c => c.Contains("none", StringComparison.Ordinal));
        Assert.Equal(hash, Workspace.HashOf(image));
    }

    [Fact]
    public void Mounts_for_unmount()
    {
        WinLoopProgram.RequireMounts();
        string directory = _work.Mount(_work.MakeImage());
        Assert.Contains(directory, Complete("winloop unmount " + directory[..^1]));
        WinLoopProgram.Succeed("unmount", directory);
        Assert.Empty(Complete("winloop stat " + directory + "x"));
    }

    [Fact]
    public void Scripts_for_two_shells_and_a_clear_no_for_others()
    {
        Assert.Contains("Register-ArgumentCompleter -Native", WinLoopProgram.Succeed("completion", "powershell"), StringComparison.Ordinal);
        Assert.Contains("complete -F _winloop winloop", WinLoopProgram.Succeed("completion", "bash"), StringComparison.Ordinal);
        WinLoopProgram.Fail(2, "fish", "completion", "fish");
        Assert.DoesNotContain("  complete ", WinLoopProgram.Succeed("--help"), StringComparison.Ordinal);
    }

    // The NuGet tool "PowerShell" or any other pwsh in PATH.
    [Fact]
    public void A_real_PowerShell_completes()
    {
        Shell.Require("pwsh");
        _work.MakeImage("pi.img");
        string[] lines = ["winloop mo", "winloop mount --re", "winloop mount --log-level w", "winloop completion ", "winloop ls pi.img:/", "winloop cat pi.img:/lo"];
        File.WriteAllText(_work["t.ps1"], $$"""
            $env:PATH = '{{Path.GetDirectoryName(WinLoopProgram.Path)}}:' + $env:PATH
            Set-Location '{{_work.Folder}}'
            winloop completion powershell | Out-String | Invoke-Expression
            foreach ($line in @({{string.Join(", ", lines.Select(l => $"'{l}'"))}})) {
                ([System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, $null)).CompletionMatches.CompletionText -join ' '
            }
            """);
        Shell.Result result = Shell.Run("pwsh", ["-NoProfile", "-File", _work["t.ps1"]]);
        Assert.Equal("", result.Error);
        Assert.Equal(["mount", "--read-only", "warning", "bash powershell", "pi.img:/lost+found/", "pi.img:/lost+found/"], result.Output.TrimEnd('\n').Split('\n'));
    }

    [Fact]
    public void An_interactive_bash_completes()
    {
        Shell.Require("script");
        _work.MakeImage("pi.img");
        File.WriteAllText(_work["rc"], $"cd {_work.Folder}; PATH={Path.GetDirectoryName(WinLoopProgram.Path)}:$PATH; source <(winloop completion bash); PS1='> '; bind 'set enable-bracketed-paste off'\n");
        // A tab after "lo": the shell itself writes the rest of the line.
        Shell.Result result = Shell.Run("bash", ["-c", $"(sleep 2; printf 'winloop ls pi.img:/lo\\t; echo \"[$?]\"\\n'; sleep 2; printf 'exit\\n') | script -qec 'bash --rcfile {_work["rc"]} -i' /dev/null"], 60);
        string screen = System.Text.RegularExpressions.Regex.Replace(result.Output, @"\x1b(\[[?0-9;]*[a-zA-Z]|[=>])", "");
        Assert.Contains("winloop ls pi.img:/lost+found/", screen, StringComparison.Ordinal);
        Assert.Contains("[0]", screen, StringComparison.Ordinal);
    }
}
