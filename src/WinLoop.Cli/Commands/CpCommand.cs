using System.CommandLine;
using System.Runtime.InteropServices;
using System.Text;
using WinLoop.Cli.Output;
using WinLoop.Mounting;
using WinLoop.Mounting.Files;

namespace WinLoop.Cli.Commands;

/// <summary><c>winloop cp SOURCE... TARGET</c>: copies between the host and images, in any direction, without a mount.</summary>
internal sealed class CpCommand
{
    private const string Standard = "-";
    private const int Piece = 1 << 20;

    private readonly Argument<string[]> _paths = new("SOURCE... TARGET") { Description = "Files or directories, and where to; in an image as IMAGE:/PATH, '-' is stdin or stdout.", Arity = new ArgumentArity(2, 100_000) };
    private readonly Option<bool> _recursive = new("--recursive", "-r", "-R") { Description = "Copy directories with what is in them; links stay links." };
    private readonly Option<bool> _archive = new("--archive", "-a") { Description = "As -r, and keep owners, extended attributes, hard links and special files." };
    private readonly Option<bool> _noClobber = new("--no-clobber", "-n") { Description = "Leave files alone that are there." };
    private readonly Option<string?> _owner = new("--owner") { Description = "Owner of what is copied.", HelpName = "UID[:GID]" };
    private readonly ImageOptions _image = new();

    internal static Command Create() => new CpCommand().Build();

    private Command Build()
    {
        var command = new Command("cp", "Copies files into and out of images without mounting them.") { _paths, _recursive, _archive, _noClobber, _owner };
        _image.AddTo(command);
        command.Action = new CommandTree.CommandAction(Run);
        return command;
    }

    private int Run(ParseResult parsed, Report report)
    {
        Place[] places = [.. parsed.GetRequiredValue(_paths).Select(Place.Parse)];
        Place target = places[^1];
        Place[] sources = places[..^1];
        if (!places.Any(p => p.InImage is not null))
        {
            throw new MountException(MountError.Usage, "cp", "none of the paths is in an image", "Write IMAGE:/PATH, for example pi.img:/etc/hosts.");
        }
        var options = new CopyOptions
        {
            IsRecursive = parsed.GetValue(_recursive) || parsed.GetValue(_archive),
            IsArchive = parsed.GetValue(_archive),
            KeepsExisting = parsed.GetValue(_noClobber),
            Owner = parsed.GetValue(_owner) is { } owner ? OwnerText.Parse("cp", owner) : null,
        };
        string what = $"cannot copy to {target.Text}";
        using var cancellation = new CancellationTokenSource();
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context =>
        {
            context.Cancel = true;
            cancellation.Cancel();
        });
        var progress = new ProgressLine(isShown: !report.IsJson && !report.IsQuiet && target.Text != Standard);
        var copier = new TreeCopier(options, progress.Show, cancellation.Token);
        try
        {
            using (var images = new Sessions(path => _image.Open(parsed, path, isReadOnly: path != target.ImageFile, what, [])))
            {
                if (places.Any(p => p.Text == Standard))
                {
                    CopyStream(sources, target, images, options, copier.Result, what);
                }
                else
                {
                    CopyAll(sources, target, images, options, copier, what);
                }
                copier.Finish();
            }
        }
        catch (Exception e)
        {
            throw Failures.Explain(e, what);
        }
        finally
        {
            progress.Dispose();
        }
        return Answer(copier.Result, report, isSilent: target.Text == Standard);
    }

    private static void CopyAll(Place[] sources, Place target, Sessions images, CopyOptions options, TreeCopier copier, string what)
    {
        FileNode? into = images.Find(target, followLink: true);
        using (into)
        {
            if (into?.Facts.Kind == FileKind.Directory)
            {
                foreach (Place source in sources)
                {
                    using FileNode node = Source(source, images, options);
                    if (source.HasName)
                    {
                        copier.Copy(node, into, source.Name);
                        continue;
                    }
                    // A root has no name: what is in it is copied.
                    foreach (byte[] name in options.IsRecursive ? node.List() : throw new MountException(MountError.Usage, $"cannot copy {source.Text}", "it is a directory", "Give -r to copy directories."))
                    {
                        using FileNode? child = node.Find(name);
                        if (child is not null)
                        {
                            copier.Copy(child, into, name);
                        }
                    }
                }
                return;
            }
        }
        if (sources.Length > 1)
        {
            throw new MountException(MountError.NotFound, what, "several files need a directory that is there", "Make the directory first.");
        }
        using FileNode only = Source(sources[0], images, options);
        if (!target.HasName || (target.Text[^1] is '/' && only.Facts.Kind != FileKind.Directory))
        {
            throw new MountException(MountError.NotFound, what, "no such directory");
        }
        using FileNode parent = images.Find(target.Parent, followLink: true) is { } found && found.Facts.Kind == FileKind.Directory
            ? found
            : throw new MountException(MountError.NotFound, what, $"there is no directory {target.Parent.Text}", "Make it first.");
        copier.Copy(only, parent, target.Name);
    }

    private static FileNode Source(Place source, Sessions images, CopyOptions options) =>
        images.Find(source, followLink: !options.IsRecursive)
        ?? throw new MountException(MountError.NotFound, $"cannot copy {source.Text}", source.InImage is null ? "no such file or directory" : "no such file or directory in the image");

    // stdin into a file of an image, or a file of an image to stdout.
    private static void CopyStream(Place[] sources, Place target, Sessions images, CopyOptions options, CopyResult result, string what)
    {
        if (sources.Length != 1)
        {
            throw new MountException(MountError.Usage, "cp", "'-' stands alone", "Copy one file from stdin or to stdout.");
        }
        if (target.Text == Standard)
        {
            using FileNode node = Source(sources[0], images, new CopyOptions());
            using Stream output = Console.OpenStandardOutput();
            CatCommand.WriteTo(node, output, $"cannot copy {sources[0].Text}");
            return;
        }
        using FileNode? parent = images.Find(target.Parent, followLink: true);
        if (!target.HasName || parent is null || parent.Facts.Kind != FileKind.Directory)
        {
            throw new MountException(MountError.NotFound, what, $"there is no directory {target.Parent.Text}", "Make it first.");
        }
        FileFacts? old = null;
        using (FileNode? existing = parent.Find(target.Name))
        {
            old = existing?.Facts;
        }
        if (old is { Kind: FileKind.Directory })
        {
            throw new MountException(MountError.Usage, what, "it is a directory", "Name the file: stdin has no name.");
        }
        if (old is not null)
        {
            if (options.KeepsExisting)
            {
                result.Skipped.Add($"{target.Text}: it is there");
                return;
            }
            parent.Remove(target.Name);
        }
        using FileNode file = parent.CreateFile(target.Name);
        using Stream input = Console.OpenStandardInput();
        byte[] buffer = new byte[Piece];
        long at = 0;
        for (int count; (count = input.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false)) > 0; at += count)
        {
            file.Write(buffer.AsSpan(0, count), at);
        }
        FileFacts now = file.Facts;
        (uint uid, uint gid) = options.Owner ?? (now.Uid, now.Gid);
        file.SetFacts(now with { Permissions = old?.Permissions ?? 0x1A4, Uid = uid, Gid = gid }, setOwner: options.Owner is not null);
        result.AddFile(at);
    }

    private static int Answer(CopyResult result, Report report, bool isSilent)
    {
        if (result.Failed.Count == 1 && result.Files + result.Directories + result.Others == 0)
        {
            throw result.Failed[0]; // nothing was done
        }
        var answer = new CopyAnswer(result.Files, result.Directories, result.Others, result.Bytes, [.. result.Skipped],
            [.. result.Failed.Select(f => new ErrorDetail(ErrorCodes.NameOf(f.Error), (int)f.Error, f.Message, f.Hint))]);
        if (!isSilent)
        {
            report.Answer(answer, () => AnswerJson.Readable.CopyAnswer, _ => { });
        }
        if (!report.IsJson)
        {
            foreach (string skipped in result.Skipped)
            {
                report.Note("Left out: " + Printable.Text(skipped));
            }
            foreach (MountException failure in result.Failed)
            {
                report.Fail(failure);
            }
            if (!isSilent && result.Failed.Count == 0)
            {
                report.Detail($"Copied {result.Files} files, {result.Directories} directories, {result.Others} others, {ByteSize.Format(result.Bytes)}.");
            }
        }
        return result.Failed.Count switch
        {
            0 => 0,
            1 => (int)result.Failed[0].Error,
            _ => (int)MountError.Failed,
        };
    }

    /// <summary>One of the paths that were given.</summary>
    private sealed record Place(string Text, ImagePath? InImage)
    {
        /// <summary>The image it is in, resolved; null on the host.</summary>
        public string? ImageFile => InImage is null ? null : Path.GetFullPath(InImage.Image);

        /// <summary>True if it ends with a name, and not as "/", "." or "..".</summary>
        public bool HasName => NameText is not ("" or "." or "..");

        public byte[] Name => Encoding.UTF8.GetBytes(NameText);

        /// <summary>What the last name is in.</summary>
        public Place Parent
        {
            get
            {
                if (InImage is { } image)
                {
                    string path = image.Path.TrimEnd('/');
                    string parent = path[..(path.LastIndexOf('/') + 1)];
                    return new Place($"{image.Image}:{parent}", image with { Path = parent.Length == 0 ? "/" : parent });
                }
                string? folder = Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(Text)));
                return new Place(folder ?? Text, null);
            }
        }

        private string NameText => InImage is { } image
            ? image.Path.TrimEnd('/')[(image.Path.TrimEnd('/').LastIndexOf('/') + 1)..]
            : Path.GetFileName(Path.TrimEndingDirectorySeparator(Text));

        public static Place Parse(string text) =>
            text != Standard && !File.Exists(text) && !Directory.Exists(text) && ImagePath.TryParse(text, out ImagePath? path) ? new Place(text, path) : new Place(text, null);
    }

    /// <summary>The images in use, each opened once.</summary>
    private sealed class Sessions(Func<string, ImageSession> open) : IDisposable
    {
        private readonly Dictionary<string, ImageSession> _open = [];

        public FileNode? Find(Place place, bool followLink)
        {
            if (place.InImage is not { } image)
            {
                return HostFiles.Open(place.Text, followLink || place.Text[^1] == '/');
            }
            if (!_open.TryGetValue(place.ImageFile!, out ImageSession? session))
            {
                _open[place.ImageFile!] = session = open(place.ImageFile!);
            }
            return session.Find(image.Path, followLink || image.Path[^1] == '/');
        }

        public void Dispose()
        {
            foreach (ImageSession session in _open.Values)
            {
                session.Dispose();
            }
        }
    }
}
