using System.CommandLine;
using System.Globalization;
using WinLoop.Cli.Output;
using WinLoop.Ext4.Create;
using WinLoop.Mounting;
using WinLoop.Mounting.Registry;
using WinLoop.Mounting.Linux;

namespace WinLoop.Cli.Commands;

/// <summary><c>winloop create IMAGE SIZE</c>: a sparse file with an empty ext4 file system, or no file at all.</summary>
internal sealed class CreateCommand
{
    // Below this size mke2fs, and WinLoop, choose blocks of 1 KiB.
    private const long SmallImage = 512L << 20;

    private readonly Argument<string> _image = new("IMAGE") { Description = "The file to make." };
    private readonly Argument<string> _size = new("SIZE") { Description = "Its size: bytes, or with K, M, G, T (powers of 1024)." };
    private readonly Option<string> _label = new("--label", "-L") { Description = "Volume label, at most 16 bytes.", DefaultValueFactory = _ => "" };
    private readonly Option<string?> _uuid = new("--uuid", "-U") { Description = "Volume UUID; random without it." };
    private readonly Option<int> _blockSize = new("--block-size", "-b") { Description = "Bytes per block: 1024, 2048 or 4096; by the size of the image without it." };
    private readonly Option<int> _inodeSize = new("--inode-size", "-I") { Description = "Bytes per inode: a power of two from 128 to the block size.", DefaultValueFactory = _ => 256 };
    private readonly Option<string?> _bytesPerInode = new("--bytes-per-inode", "-i") { Description = "One inode is made for so many bytes; by the size of the image without it." };
    private readonly Option<double> _reserved = new("--reserved", "-m") { Description = "Per cent of the blocks that only root may fill.", DefaultValueFactory = _ => 5 };
    private readonly Option<bool> _noJournal = new("--no-journal") { Description = "Make no journal: a crash may then damage the file system." };
    private readonly Option<string?> _journalSize = new("--journal-size") { Description = "Bytes of the journal; by the size of the image without it." };
    private readonly Option<string?> _owner = new("--owner") { Description = "Owner of the root directory; the user who makes the image without it.", HelpName = "UID[:GID]" };
    private readonly Option<bool> _force = new("--force", "-F") { Description = "Replace IMAGE if it exists." };

    internal static Command Create() => new CreateCommand().Build();

    private Command Build()
    {
        var command = new Command("create", "Makes an image with an empty ext4 file system.")
        {
            _image, _size, _label, _uuid, _blockSize, _inodeSize, _bytesPerInode, _reserved, _noJournal, _journalSize, _owner, _force,
        };
        _blockSize.CompletionSources.Add("1024", "2048", "4096");
        command.Action = new CommandTree.CommandAction(Run);
        return command;
    }

    private int Run(ParseResult parsed, Report report)
    {
        string image = Path.GetFullPath(parsed.GetRequiredValue(_image));
        long size = ParseSize(_size.Name, parsed.GetRequiredValue(_size));
        CreateRequest request = new(image, size, parsed.GetValue(_force), Options(parsed, size));
        CreatedImage made;
        try
        {
            made = ImageCreator.Create(request);
        }
        catch (MountException e)
        {
            throw BusyImage.NameHolder(e, image, $"cannot create {image}");
        }
        var answer = new CreateAnswer(image, request.Size, made.BlockSize, made.Blocks, made.Inodes, made.InodeSize, made.JournalBytes, made.Label, made.Uuid);
        report.Answer(answer, () => AnswerJson.Readable.CreateAnswer, _ => { });
        report.Note(Printable.Text($"Made {Path.GetFileName(image)}: {ByteSize.Format(request.Size)}, {made.Blocks} blocks of {made.BlockSize} bytes, " +
            $"{made.Inodes} inodes, {(made.JournalBytes == 0 ? "no journal" : $"journal of {ByteSize.Format(made.JournalBytes)}")}."));
        return 0;
    }

    private Ext4CreateOptions Options(ParseResult parsed, long imageSize)
    {
        Guid? uuid = null;
        if (parsed.GetValue(_uuid) is { } text)
        {
            uuid = Guid.TryParse(text, out Guid given) ? given : throw Usage($"'{text}' is not a UUID");
        }
        (uint uid, uint gid) = Owner(parsed.GetValue(_owner));
        int blockSize = parsed.GetValue(_blockSize);
        if (blockSize is not (0 or 1024 or 2048 or 4096))
        {
            throw Usage($"a block size of {blockSize} is not possible", "Give 1024, 2048 or 4096, or leave it out.");
        }
        long journal = parsed.GetValue(_journalSize) is { } size ? ParseSize("--journal-size", size) : 0;
        return new Ext4CreateOptions
        {
            Label = parsed.GetValue(_label)!,
            Uuid = uuid,
            BlockSize = blockSize,
            InodeSize = parsed.GetValue(_inodeSize),
            BytesPerInode = parsed.GetValue(_bytesPerInode) is { } ratio ? (int)Math.Min(ParseSize("--bytes-per-inode", ratio), int.MaxValue) : 0,
            ReservedPercent = parsed.GetValue(_reserved),
            HasJournal = !parsed.GetValue(_noJournal),
            JournalBlocks = (uint)Math.Min(journal / (blockSize != 0 ? blockSize : imageSize < SmallImage ? 1024 : 4096), uint.MaxValue),
            RootUid = uid,
            RootGid = gid,
        };
    }

    private static (uint Uid, uint Gid) Owner(string? text)
    {
        if (text == null)
        {
            // Who makes an image wants to write to it.
            return (CurrentUser.Uid, CurrentUser.Gid);
        }
        return OwnerText.Parse("create", text);
    }

    private static long ParseSize(string name, string text) =>
        ByteSize.TryParse(text, out long size) && size > 0 ? size : throw Usage($"{name} '{text}' is not a size", "Give bytes, or a number with K, M, G or T.");

    private static MountException Usage(string why, string? hint = null) =>
        new(MountError.Usage, "create", why, hint ?? "See 'winloop create --help'.");
}
