using System.CommandLine;
using WinLoop.Cli.Output;
using WinLoop.Mounting;
using WinLoop.Mounting.Files;

namespace WinLoop.Cli.Commands;

/// <summary><c>winloop cat IMAGE:/PATH...</c>: files of an image to stdout; changes nothing.</summary>
internal sealed class CatCommand
{
    private const int Piece = 1 << 20;

    private readonly Argument<string[]> _paths = new("IMAGE:/PATH") { Description = "Files in an image.", Arity = ArgumentArity.OneOrMore };
    private readonly ImageOptions _image = new();

    internal static Command Create() => new CatCommand().Build();

    private Command Build()
    {
        var command = new Command("cat", "Writes files of an image to stdout without mounting it.") { _paths };
        _image.AddTo(command);
        command.Action = new CommandTree.CommandAction(Run);
        return command;
    }

    private int Run(ParseResult parsed, Report _)
    {
        // With --json an error is JSON; the content is what it is. All are looked at first: half an output is worse than none.
        ImagePath[] paths = [.. parsed.GetRequiredValue(_paths).Select(p => ImageOptions.Parse("cat", p))];
        using Stream output = Console.OpenStandardOutput();
        foreach (ImagePath path in paths)
        {
            string what = $"cannot read {path}";
            try
            {
                using ImageSession session = _image.Open(parsed, path.Image, isReadOnly: true, what, []);
                using FileNode node = session.Find(path.Path, followLink: true)
                    ?? throw new MountException(MountError.NotFound, what, "no such file or directory in the image");
                WriteTo(node, output, what);
            }
            catch (Exception e)
            {
                throw Failures.Explain(e, what);
            }
        }
        return 0;
    }

    /// <summary>Writes a file's content to a stream.</summary>
    internal static void WriteTo(FileNode node, Stream output, string what)
    {
        if (node.Facts.Kind != FileKind.Regular)
        {
            throw new MountException(MountError.Usage, what, node.Facts.Kind == FileKind.Directory ? "it is a directory" : "it is no regular file");
        }
        byte[] buffer = new byte[Piece];
        for (long at = 0; node.Read(buffer, at) is > 0 and var count; at += count)
        {
            output.Write(buffer, 0, count);
        }
        output.Flush();
    }
}
