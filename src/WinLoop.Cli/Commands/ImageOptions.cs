using System.CommandLine;
using WinLoop.Mounting;
using WinLoop.Mounting.Files;

namespace WinLoop.Cli.Commands;

/// <summary>The options that say which volume of an image is meant, for the commands that work without a mount.</summary>
internal sealed class ImageOptions
{
    private readonly Option<int?> _partition = new("--partition", "-p") { Description = "Number of the partition; the only one with ext is found by itself.", HelpName = "N" };
    private readonly Option<string?> _offset = new("--offset") { Description = "Where the volume starts in the image, in bytes or with K, M, G, T.", HelpName = "N" };
    private readonly Option<string?> _sizeLimit = new("--sizelimit") { Description = "How much of the image is used, in bytes or with K, M, G, T.", HelpName = "N" };

    internal void AddTo(Command command)
    {
        command.Options.Add(_partition);
        command.Options.Add(_offset);
        command.Options.Add(_sizeLimit);
    }

    /// <summary>Mounts the volume in this process.</summary>
    internal ImageSession Open(ParseResult parsed, string image, bool isReadOnly, string what, ICollection<string> notes)
    {
        List<string> list = isReadOnly ? ["ro"] : [];
        list.AddRange(parsed.GetValue(_offset) is { } o ? ["offset=" + o] : []);
        list.AddRange(parsed.GetValue(_sizeLimit) is { } l ? ["sizelimit=" + l] : []);
        MountOptions options = MountOptionParser.Parse(string.Join(',', list), new MountOptions(), []);
        return ImageSession.Open(Path.GetFullPath(image), parsed.GetValue(_partition), options, what, notes);
    }

    /// <summary>Takes a text as a path in an image.</summary>
    internal static ImagePath Parse(string command, string text) => ImagePath.TryParse(text, out ImagePath? path)
        ? path!
        : throw new MountException(MountError.Usage, command, $"'{text}' names no path in an image", "Write IMAGE:/PATH, for example pi.img:/etc/hosts.");
}
