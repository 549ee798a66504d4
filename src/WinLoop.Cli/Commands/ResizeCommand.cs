using System.CommandLine;
using WinLoop.Cli.Output;
using WinLoop.Mounting;
using WinLoop.Mounting.Registry;
using WinLoop.Mounting.Resizing;

namespace WinLoop.Cli.Commands;

/// <summary><c>winloop resize IMAGE|DIR [SIZE]</c>: changes the size of an image and of the volume in it.</summary>
internal static class ResizeCommand
{
    // In place of a size.
    private const string Minimum = "min";

    internal static Command Create()
    {
        var target = new Argument<string>("IMAGE") { Description = "The image file, or where it is mounted." };
        var size = new Argument<string?>("SIZE")
        {
            Description = "The new size: bytes, or with K, M, G, T (powers of 1024); +SIZE is so much more; min is as small as can be. Without it the volume fills the file.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var minimum = new Option<bool>("--minimum") { Description = "As small as the files in it allow; the same as min." };
        var command = new Command("resize", "Makes an image and the file system in it larger or smaller.") { target, size, minimum };
        command.Action = new CommandTree.CommandAction((parsed, report) => Run(parsed.GetRequiredValue(target), parsed.GetValue(size), parsed.GetValue(minimum), report));
        return command;
    }

    private static int Run(string target, string? size, bool isMinimum, Report report)
    {
        string what = $"cannot resize {target}";
        if (isMinimum && size is not (null or Minimum))
        {
            throw new MountException(MountError.Usage, "resize", $"--minimum and SIZE '{size}' contradict each other", "Give one of them.");
        }
        isMinimum |= size == Minimum;
        KnownMount? mount = MountFinder.TryFind(target, what);
        string image = mount?.Record.Image ?? Path.GetFullPath(target);
        if (isMinimum && mount != null)
        {
            throw new MountException(MountError.Unsupported, what, "only what is not mounted is made smaller", "Unmount it first.");
        }
        long? bytes = isMinimum ? null : Parse(size, image, what);
        var notes = new List<string>();
        ResizedImage done = mount != null
            ? ImageResizer.GrowMounted(mount, bytes, what)
            : isMinimum ? ImageResizer.ShrinkToMinimum(image, what, notes)
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
            throw new MountException(MountError.Usage, "resize", $"SIZE '{text}' is not a size", "Give bytes, or a number with K, M, G or T, or min.");
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
