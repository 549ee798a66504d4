using System.CommandLine;
using WinLoop.Cli.Output;
using WinLoop.Mounting;
using WinLoop.Mounting.Overlays;
using WinLoop.Storage;

namespace WinLoop.Cli.Commands;

/// <summary><c>winloop overlay commit|discard|info</c>: what becomes of an overlay file after the mounts.</summary>
internal static class OverlayCommand
{
    internal static Command Create() => new("overlay", "Commits, discards and shows overlay files.") { Commit(), Discard(), Info() };

    private static Argument<string> FileArgument() => new("FILE") { Description = "The overlay file; it must not be mounted." };

    private static Command Commit()
    {
        Argument<string> file = FileArgument();
        var image = new Argument<string>("IMAGE") { Description = "The image that the overlay was made over." };
        var command = new Command("commit", "Writes what is in an overlay into its image; after a cut, run it again.") { file, image };
        command.Action = new CommandTree.CommandAction((parsed, report) =>
        {
            string overlay = Path.GetFullPath(parsed.GetRequiredValue(file)), path = Path.GetFullPath(parsed.GetRequiredValue(image));
            long? bytes;
            using (var line = new ProgressLine(!report.IsQuiet))
            {
                bytes = OverlayFiles.Commit(overlay, path, (done, _) => line.Show(path, done));
            }
            report.Note(Printable.Text(bytes is { } written ? $"Wrote {ByteSize.Format(written)} into {path}. 'winloop overlay discard' deletes {overlay}."
                : $"{overlay} was committed before; nothing was written."));
            report.Answer(new OverlayCommitAnswer(overlay, path, bytes ?? 0, bytes == null), () => AnswerJson.Readable.OverlayCommitAnswer, _ => { });
            return 0;
        });
        return command;
    }

    private static Command Discard()
    {
        Argument<string> file = FileArgument();
        var force = new Option<bool>("--force") { Description = "Also if it is damaged, or a commit of it was begun and not finished, which loses the image." };
        var command = new Command("discard", "Deletes an overlay with all that was written to it.") { file, force };
        command.Action = new CommandTree.CommandAction((parsed, report) =>
        {
            string overlay = Path.GetFullPath(parsed.GetRequiredValue(file));
            OverlayFiles.Discard(overlay, parsed.GetValue(force));
            report.Answer(new OverlayDiscardAnswer(overlay), () => AnswerJson.Readable.OverlayDiscardAnswer, _ => { });
            return 0;
        });
        return command;
    }

    private static Command Info()
    {
        var file = new Argument<string>("FILE") { Description = "The overlay file." };
        var command = new Command("info", "Shows over which image an overlay was made, what is in it, and what became of it.") { file };
        command.Action = new CommandTree.CommandAction((parsed, report) =>
        {
            string overlay = Path.GetFullPath(parsed.GetRequiredValue(file));
            OverlayDescription about = OverlayFiles.Describe(overlay);
            (string state, string sentence) = about.IsCommitted ? ("committed", "committed: all of it is in the image")
                : about.IsCommitBegun ? ("committing", "a commit was begun and not finished: run it again, the image is a mixture until then")
                : ("active", "can be mounted, committed or discarded");
            var answer = new OverlayInfoAnswer(overlay, state, about.BasePath, about.BaseLength, about.Created, about.ChangedBytes);
            report.Answer(answer, () => AnswerJson.Readable.OverlayInfoAnswer, writer =>
            {
                writer.WriteLine(Printable.Text($"image    {about.BasePath} ({ByteSize.Format(about.BaseLength)})"));
                writer.WriteLine($"made     {about.Created:yyyy-MM-dd HH:mm:ss}Z");
                writer.WriteLine($"changed  {ByteSize.Format(about.ChangedBytes)}");
                writer.WriteLine($"state    {sentence}");
            });
            return 0;
        });
        return command;
    }
}
