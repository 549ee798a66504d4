using System.CommandLine;
using System.Text;
using WinLoop.Cli.Output;
using WinLoop.Mounting;
using WinLoop.Mounting.Files;

namespace WinLoop.Cli.Commands;

/// <summary><c>winloop ls IMAGE:/PATH</c>: what is in a directory of an image; changes nothing.</summary>
internal sealed class LsCommand
{
    private readonly Argument<string> _path = new("IMAGE:/PATH") { Description = "A file or directory in an image; an image alone means its root." };
    private readonly Option<bool> _long = new("--long", "-l") { Description = "Also mode, links, owner, size and time." };
    private readonly Option<bool> _all = new("--all", "-a") { Description = "Also names that begin with a dot." };
    private readonly Option<bool> _recursive = new("--recursive", "-R", "-r") { Description = "Also what is in the directories below." };
    private readonly ImageOptions _image = new();

    internal static Command Create() => new LsCommand().Build();

    private Command Build()
    {
        var command = new Command("ls", "Lists files in an image without mounting it.") { _path, _long, _all, _recursive };
        _image.AddTo(command);
        command.Action = new CommandTree.CommandAction(Run);
        return command;
    }

    private int Run(ParseResult parsed, Report report)
    {
        string text = parsed.GetRequiredValue(_path);
        ImagePath path = File.Exists(text) ? new ImagePath(text, "/") : ImageOptions.Parse("ls", text);
        string what = $"cannot list {path}";
        try
        {
            var notes = new List<string>();
            using ImageSession session = _image.Open(parsed, path.Image, isReadOnly: true, what, notes);
            foreach (string note in notes)
            {
                report.Detail(Printable.Text(note));
            }
            using FileNode node = session.Find(path.Path, followLink: true)
                ?? throw new MountException(MountError.NotFound, what, "no such file or directory in the image");
            var entries = new List<LsEntry>();
            string start = path.Path.TrimEnd('/');
            if (node.Facts.Kind == FileKind.Directory)
            {
                Collect(what, node, start, parsed.GetValue(_all), parsed.GetValue(_recursive), entries, 0);
            }
            else
            {
                entries.Add(Describe(node, path.Path));
            }
            var answer = new LsAnswer(entries);
            bool isRecursive = parsed.GetValue(_recursive);
            report.Answer(answer, () => AnswerJson.Readable.LsAnswer, writer => Write(answer, parsed.GetValue(_long), isRecursive ? "" : start + "/", writer));
            return 0;
        }
        catch (Exception e)
        {
            throw Failures.Explain(e, what);
        }
    }

    private static void Collect(string what, FileNode directory, string path, bool all, bool recursive, List<LsEntry> entries, int depth)
    {
        var children = new List<(byte[] Bytes, string Name)>();
        foreach (byte[] name in directory.List())
        {
            if (all || name[0] != '.')
            {
                children.Add((name, Encoding.UTF8.GetString(name)));
            }
        }
        foreach ((byte[] bytes, string name) in children.OrderBy(c => c.Name, StringComparer.Ordinal))
        {
            using FileNode? child = directory.Find(bytes);
            if (child is null)
            {
                continue;
            }
            string below = $"{path}/{name}";
            entries.Add(Describe(child, below));
            if (recursive && child.Facts.Kind == FileKind.Directory)
            {
                if (depth >= TreeCopier.MaximumDepth)
                {
                    throw new MountException(MountError.Unsupported, what, $"directories are nested more than {TreeCopier.MaximumDepth} deep", "Mount the image for that.");
                }
                Collect(what, child, below, all, recursive, entries, depth + 1);
            }
        }
    }

    private static LsEntry Describe(FileNode node, string path)
    {
        FileFacts f = node.Facts;
        string? target = f.Kind == FileKind.Symlink ? Encoding.UTF8.GetString(node.ReadLink()) : null;
        string? device = f.Kind is FileKind.BlockDevice or FileKind.CharDevice ? $"{(f.Device >> 8) & 0xFFF}, {(f.Device & 0xFF) | ((f.Device >> 12) & 0xFFF00)}" : null;
        string type = f.Kind switch
        {
            FileKind.Directory => "directory", FileKind.Regular => "file", FileKind.Symlink => "symlink", FileKind.Fifo => "fifo",
            FileKind.Socket => "socket", FileKind.CharDevice => "character-device", _ => "block-device",
        };
        long ticks = Math.Clamp(f.Modified.Seconds, -62_135_596_800, 253_402_300_799) * TimeSpan.TicksPerSecond;
        return new LsEntry(path, type, ModeText(f), f.Links, f.Uid, f.Gid, f.Size, new DateTimeOffset(DateTime.UnixEpoch.AddTicks(ticks + (f.Modified.Nanoseconds / 100)), TimeSpan.Zero),
            f.Identity.Inode, target, device);
    }

    private static string ModeText(in FileFacts f)
    {
        Span<char> text = stackalloc char[10];
        text[0] = f.Kind switch
        {
            FileKind.Directory => 'd', FileKind.Symlink => 'l', FileKind.Fifo => 'p', FileKind.Socket => 's', FileKind.CharDevice => 'c', FileKind.BlockDevice => 'b', _ => '-',
        };
        for (int i = 0; i < 9; i++)
        {
            text[i + 1] = (f.Permissions >> (8 - i) & 1) != 0 ? "rwx"[i % 3] : '-';
        }
        for (int i = 0; i < 3; i++)
        {
            if ((f.Permissions >> (11 - i) & 1) != 0)
            {
                char set = i == 2 ? 't' : 's';
                text[3 + (3 * i)] = text[3 + (3 * i)] == 'x' ? set : char.ToUpperInvariant(set);
            }
        }
        return text.ToString();
    }

    private static void Write(LsAnswer answer, bool isLong, string prefix, TextWriter writer)
    {
        if (!isLong)
        {
            foreach (LsEntry entry in answer.Entries)
            {
                writer.WriteLine(Name(entry));
            }
            return;
        }
        Table table = new Table("MODE", "LINKS", "UID", "GID", "SIZE", "MODIFIED", "NAME").AlignRight(1, 2, 3, 4);
        foreach (LsEntry entry in answer.Entries)
        {
            table.Add(entry.Mode, entry.Links.ToString(), entry.Uid.ToString(), entry.Gid.ToString(), entry.Device ?? entry.Size.ToString(),
                entry.Modified.ToLocalTime().ToString("yyyy-MM-dd HH:mm"), Name(entry) + (entry.Target is { } target ? " -> " + Printable.Text(target) : ""));
        }
        table.Write(writer, withHeadings: false);

        string Name(LsEntry entry) => Printable.Text(entry.Path.StartsWith(prefix, StringComparison.Ordinal) ? entry.Path[prefix.Length..] : entry.Path);
    }
}
