using System.CommandLine;
using WinLoop.Cli.Output;
using WinLoop.Mounting;
using WinLoop.Mounting.Files;
using WinLoop.Mounting.Registry;
using WinLoop.Mounting.Resizing;

namespace WinLoop.Cli.Commands;

/// <summary><c>winloop trim IMAGE|DIR</c>: the image file gives the storage of free blocks back.</summary>
internal static class TrimCommand
{
    internal static Command Create()
    {
        var target = new Argument<string>("IMAGE") { Description = "The image file, or where it is mounted." };
        var command = new Command("trim", "Gives the storage of free blocks in an image back to the disk.") { target };
        var options = new ImageOptions();
        options.AddTo(command);
        command.Action = new CommandTree.CommandAction((parsed, report) => Run(parsed, parsed.GetRequiredValue(target), options, report));
        return command;
    }

    private static int Run(ParseResult parsed, string target, ImageOptions options, Report report)
    {
        string what = $"cannot trim {target}";
        KnownMount? mount = MountFinder.TryFind(target, what);
        string image = mount?.Record.Image ?? Path.GetFullPath(target);
        long bytes = mount != null ? MountControl.Trim(mount.Record, what) : TrimImage(parsed, image, options, what, report);
        var answer = new TrimAnswer(image, mount?.Record.Directory, bytes);
        report.Answer(answer, () => AnswerJson.Readable.TrimAnswer, _ => { });
        report.Note($"{bytes} bytes ({ByteSize.Format(bytes)}) of {Printable.Text(image)} are free and take no storage where the disk can do that.");
        return 0;
    }

    private static long TrimImage(ParseResult parsed, string image, ImageOptions options, string what, Report report)
    {
        var notes = new List<string>();
        using ImageSession session = options.Open(parsed, image, isReadOnly: false, what, notes);
        foreach (string note in notes)
        {
            report.Note(Printable.Text(note));
        }
        try
        {
            return session.Volume.Trim();
        }
        catch (Exception e)
        {
            throw Failures.Explain(e, what);
        }
    }
}
