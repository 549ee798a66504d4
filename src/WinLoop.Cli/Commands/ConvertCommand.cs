using System.CommandLine;
using WinLoop.Cli.Output;
using WinLoop.Mounting;
using WinLoop.Mounting.Conversion;

namespace WinLoop.Cli.Commands;

/// <summary><c>winloop convert IN OUT</c>: the same disk in an image of another format.</summary>
internal static class ConvertCommand
{
    internal static Command Create()
    {
        var source = new Argument<string>("IN") { Description = "The image file, or a block device; it must not be mounted for writing." };
        var target = new Argument<string>("OUT") { Description = "The file to make." };
        var format = new Option<string?>("--format", "-O")
        {
            Description = $"Format of OUT: {string.Join(", ", TargetFormat.All.Select(f => f.Name))}; by its extension without it.",
            HelpName = "NAME",
        };
        foreach (TargetFormat known in TargetFormat.All)
        {
            format.CompletionSources.Add(known.Name);
        }
        var force = new Option<bool>("--force", "-F") { Description = "Replace OUT if it exists; it may be IN." };
        var command = new Command("convert", "Makes an image of another format: raw, VHDX, VHD, ...") { source, target, format, force };
        command.Action = new CommandTree.CommandAction((parsed, report) => Run(
            Path.GetFullPath(parsed.GetRequiredValue(source)), Path.GetFullPath(parsed.GetRequiredValue(target)),
            parsed.GetValue(format), parsed.GetValue(force), report));
        return command;
    }

    private static int Run(string source, string target, string? name, bool isForced, Report report)
    {
        TargetFormat format = name is null ? OfFile(target) : TargetFormat.Find(name) ?? throw Unknown($"there is no format '{name}' to convert to");
        var notes = new List<string>();
        ConvertedImage done;
        using (var progress = new ProgressLine(isShown: !report.IsJson && !report.IsQuiet))
        {
            done = ImageConverter.Convert(new ConvertRequest(source, target, format, isForced), notes, (at, length) => progress.Show(Path.GetFileName(target), at, length));
        }
        foreach (string note in notes)
        {
            report.Note(Printable.Text(note));
        }
        var answer = new ConvertAnswer(source, target, done.SourceFormat, format.Name, done.Size, done.Copied, done.FileSize);
        report.Answer(answer, () => AnswerJson.Readable.ConvertAnswer, _ => { });
        report.Note(Printable.Text($"Made {Path.GetFileName(target)} ({format.Title}): a disk of {ByteSize.Format(done.Size)}, {ByteSize.Format(done.Copied)} of it not zero."));
        return 0;
    }

    private static TargetFormat OfFile(string target) => TargetFormat.OfFile(target) ?? throw Unknown(
        Path.GetExtension(target) is { Length: > 0 } extension ? $"'{extension}' says no format" : $"the name of {target} says no format");

    private static MountException Unknown(string why) =>
        new(MountError.Usage, "convert", why, $"Give --format with one of {string.Join(", ", TargetFormat.All.Select(f => f.Name))}.");
}
