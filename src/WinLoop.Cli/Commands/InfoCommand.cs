using System.CommandLine;
using WinLoop.Cli.Output;
using WinLoop.Mounting;

namespace WinLoop.Cli.Commands;

/// <summary><c>winloop info IMAGE</c>: what is in an image, and whether it can be mounted; changes nothing.</summary>
internal static class InfoCommand
{
    internal static Command Create()
    {
        var image = new Argument<string>("IMAGE") { Description = "The image file, or a block device." };
        var partition = new Option<int?>("--partition", "-p") { Description = "Number of the partition; the only one with ext is found by itself.", HelpName = "N" };
        var offset = new Option<string?>("--offset") { Description = "Where the volume starts in the image, in bytes or with K, M, G, T.", HelpName = "N" };
        var sizeLimit = new Option<string?>("--sizelimit") { Description = "How much of the image is used, in bytes or with K, M, G, T.", HelpName = "N" };
        var command = new Command("info", "Shows what is in an image, and whether it can be mounted.") { image, partition, offset, sizeLimit };
        command.Action = new CommandTree.CommandAction((parsed, report) =>
        {
            var list = new List<string> { "ro" };
            list.AddRange(parsed.GetValue(offset) is { } o ? ["offset=" + o] : []);
            list.AddRange(parsed.GetValue(sizeLimit) is { } l ? ["sizelimit=" + l] : []);
            MountOptions options = MountOptionParser.Parse(string.Join(',', list), new MountOptions(), []);
            string path = Path.GetFullPath(parsed.GetRequiredValue(image));
            return Run(ImageInspector.Inspect(path, parsed.GetValue(partition), options), report);
        });
        return command;
    }

    private static int Run(ImageContents contents, Report report)
    {
        foreach (string warning in contents.Warnings)
        {
            report.Note(Printable.Text(warning));
        }
        InfoAnswer answer = InfoAnswer.From(contents);
        report.Answer(answer, () => AnswerJson.Readable.InfoAnswer, writer => InfoWriter.Write(answer, writer));
        return 0;
    }
}
