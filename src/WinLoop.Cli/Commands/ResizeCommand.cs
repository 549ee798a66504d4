using System.CommandLine;
using WinLoop.Cli.Output;
using WinLoop.Mounting;
using WinLoop.Mounting.Registry;
using WinLoop.Mounting.Resizing;

namespace WinLoop.Cli.Commands;

/// <summary><c>winloop resize IMAGE|DIR [SIZE]</c>: changes the size of an image and of the volume in it.</summary>
internal static class ResizeCommand
{
    internal static Command Create()
    {
        var target = new Argument<string>("IMAGE") { Description = "The image file, or where it is mounted." };
        var size = new Argument<string?>("SIZE")
        {
            Description = "The new size: bytes, or with K, M, G, T (powers of 1024); +SIZE is so much more. Without it the volume fills the file.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var command = new Command("resize", "Makes an image and the file system in it larger.") { target, size };
        command.Action = new CommandTree.CommandAction((parsed, report) => Run(parsed.GetRequiredValue(target), parsed.GetValue(size), report));
        return command;
    }

    private static int Run(string target, string? size, Report report)
    {
        string what = $"cannot resize {target}";
        KnownMount? mount = MountFinder.TryFind(target, what);
        string image = mount?.Record.Image ?? Path.GetFullPath(target);
        long? bytes = Parse(size, image, what);
        var notes = new List<string>();
        ResizedImage done = mount != null
            ? ImageResizer.GrowMounted(mount, bytes, what)
            : ImageResizer.Resize(image, bytes, what, notes);
        foreach (string note in notes)
        {
            report.Note(Printable.Text(note));
        }
        var answer = new ResizeAnswer(image, mount?.Record.Directory, done.Before, done.After, done.File, done.BlockSize, done.After / done.BlockSize);
        report.Answer(answer, () => AnswerJson.Readable.ResizeAnswer, _ => { });
        report.Note(done.Before == done.After
            ? $"The file system has {done.After} bytes already."
            : $"The file system has {done.After} bytes ({ByteSize.Format(done.After)}) now; it had {done.Before}.");
        return 0;
    }

    private static long? Parse(string? text, string image, string what)
    {
        if (text is null)
        {
            return null;
        }
        bool isMore = text.StartsWith('+');
        if (!ByteSize.TryParse(isMore ? text[1..] : text, out long bytes) || bytes <= 0)
        {
            throw new MountException(MountError.Usage, "resize", $"SIZE '{text}' is not a size", "Give bytes, or a number with K, M, G or T.");
        }
        if (!isMore)
        {
            return bytes;
        }
        try
        {
            return checked(new FileInfo(image).Length + bytes);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or OverflowException)
        {
            throw Failures.Explain(e, what);
        }
    }
}
