using System.CommandLine;
using System.CommandLine.Completions;
using System.Globalization;
using System.Text;
using WinLoop.Cli.Output;
using WinLoop.Mounting;
using WinLoop.Mounting.Files;
using WinLoop.Mounting.Registry;

namespace WinLoop.Cli.Commands;

/// <summary><c>winloop complete -- :WORD WORDS...</c>: what a word of a command line can become, a line each; nothing if that is a
/// file of the host, which the shell knows itself. The scripts of <c>winloop completion</c> call it.</summary>
internal static class CompleteCommand
{
    internal const string Name = "complete";

    // Of a large directory nobody reads more.
    private const int MostNames = 2000;

    internal static Command Create()
    {
        // With a colon in front, because some shells drop an argument that is empty.
        var words = new Argument<string[]>("WORDS") { Description = "A colon and what was typed of the word; the words in front of it.", Arity = ArgumentArity.OneOrMore };
        var command = new Command(Name, "Says what a word of a command line can become.") { words };
        command.Hidden = true;
        command.Action = new CommandTree.CommandAction((parsed, _) =>
        {
            string[] given = parsed.GetRequiredValue(words);
            string current = given[0].StartsWith(':') ? given[0][1..] : given[0];
            IEnumerable<string> candidates;
            try
            {
                candidates = [.. Candidates(given[1..], current)];
            }
            catch (Exception)
            {
                // The user is in the middle of a line: whatever is wrong is for the command to say.
                candidates = [];
            }
            foreach (string candidate in candidates.Where(c => c.StartsWith(current, StringComparison.Ordinal) && !c.Any(char.IsControl)))
            {
                StandardStreams.Out.WriteLine(candidate);
            }
            StandardStreams.Out.Flush();
            return 0;
        });
        return command;
    }

    private static IEnumerable<string> Candidates(string[] words, string current)
    {
        Command command = CommandTree.Build(CommandTree.Everything);
        IEnumerable<Option> common = command.Options.Where(o => o.Recursive);
        int used = 0;
        while (used < words.Length && command.Subcommands.FirstOrDefault(c => c.Name == words[used] || c.Aliases.Contains(words[used])) is { } next)
        {
            command = next;
            used++;
        }
        if (command.Subcommands.Count > 0)
        {
            string[] top = used == 0 ? ["--help", "--version"] : ["--help"];
            return used < words.Length ? [] : command.Subcommands.Where(c => !c.Hidden).Select(c => c.Name).Concat(top);
        }
        Option[] options = [.. command.Options.Concat(common).Where(o => !o.Hidden)];
        string[] rest = words[used..];
        if (Array.IndexOf(rest, "--") < 0)
        {
            if (current.IndexOf('=') is > 0 and var equals && Find(options, current[..equals]) is { } assigned)
            {
                return Values(assigned).Select(v => current[..(equals + 1)] + v);
            }
            if (rest.Length > 0 && Find(options, rest[^1]) is { } option && option.ValueType != typeof(bool))
            {
                return Values(option);
            }
            if (current.StartsWith('-') && current != "-")
            {
                return options.SelectMany(o => o.Aliases.Prepend(o.Name)).Append("--help").Where(n => n.StartsWith("--", StringComparison.Ordinal)).Order(StringComparer.Ordinal);
            }
        }
        return command.Name switch
        {
            "unmount" or "stat" => Mounts(),
            "ls" or "cat" or "cp" => InImage(current, rest),
            _ => command.Arguments.SelectMany(a => a.GetCompletions(CompletionContext.Empty)).Select(c => c.Label),
        };
    }

    private static Option? Find(Option[] options, string name) => options.FirstOrDefault(o => o.Name == name || o.Aliases.Contains(name));

    private static IEnumerable<string> Values(Option option) => option.GetCompletions(CompletionContext.Empty).Select(c => c.Label);

    private static IEnumerable<string> Mounts() => MountRegistry.ListAll().Select(m => m.Record.Directory).Order(StringComparer.Ordinal);

    // IMAGE:/DIR/NA: what is in the directory.
    private static IEnumerable<string> InImage(string current, string[] words)
    {
        if (!ImagePath.TryParse(current, out ImagePath? path) || !File.Exists(path!.Image) || !path.Path.StartsWith('/') || !current.EndsWith(path.Path, StringComparison.Ordinal))
        {
            return [];
        }
        int option = Array.FindLastIndex(words, w => w is "-p" or "--partition");
        int? partition = option >= 0 && option + 1 < words.Length && int.TryParse(words[option + 1], NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : null;
        using ImageSession session = ImageSession.Open(Path.GetFullPath(path.Image), partition, new MountOptions { IsReadOnly = true }, "", []);
        string folder = path.Path[..(path.Path.LastIndexOf('/') + 1)], prefix = current[..^(path.Path.Length - folder.Length)], begun = path.Path[folder.Length..];
        using FileNode? directory = session.Find(folder, followLink: true);
        var names = new List<string>();
        foreach (byte[] bytes in directory?.List() ?? [])
        {
            string name = Encoding.UTF8.GetString(bytes);
            if (names.Count < MostNames && name.StartsWith(begun, StringComparison.Ordinal) && !name.Contains('\uFFFD') && (begun.Length > 0 || name[0] != '.'))
            {
                using FileNode? node = directory!.Find(bytes);
                names.Add(prefix + name + (node?.Facts.Kind == FileKind.Directory ? "/" : ""));
            }
        }
        return names.Order(StringComparer.Ordinal);
    }
}
