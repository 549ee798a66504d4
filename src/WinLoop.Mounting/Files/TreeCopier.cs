using System.Text;

namespace WinLoop.Mounting.Files;

/// <summary>How files are copied.</summary>
public sealed record CopyOptions
{
    /// <summary>Directories with all that is in them; links are copied as links.</summary>
    public bool IsRecursive { get; init; }
    /// <summary>Also owners, extended attributes, hard links, devices, FIFOs and sockets.</summary>
    public bool IsArchive { get; init; }
    /// <summary>Leave existing files alone.</summary>
    public bool KeepsExisting { get; init; }
    /// <summary>Owner of what is copied; null = as the target's directory, or with <see cref="IsArchive"/> as in the source.</summary>
    public (uint Uid, uint Gid)? Owner { get; init; }
}

/// <summary>What was copied.</summary>
public sealed class CopyResult
{
    /// <summary>Regular files.</summary>
    public long Files { get; internal set; }
    /// <summary>Directories made.</summary>
    public long Directories { get; internal set; }
    /// <summary>Symlinks, hard links and special files.</summary>
    public long Others { get; internal set; }
    /// <summary>Bytes of content, holes left out.</summary>
    public long Bytes { get; internal set; }
    /// <summary>What was left out on purpose, with the reason.</summary>
    public IList<string> Skipped { get; } = [];
    /// <summary>What failed; the rest was copied.</summary>
    public IList<MountException> Failed { get; } = [];

    /// <summary>Counts a file that somebody else wrote.</summary>
    public void AddFile(long bytes)
    {
        Files++;
        Bytes += bytes;
    }
}

/// <summary>Copies files between trees: the host's, and those of volumes.</summary>
/// <param name="options">How.</param>
/// <param name="progress">Called now and then with what is being copied and the bytes so far.</param>
/// <param name="cancellation">Ends the copy between two pieces.</param>
public sealed class TreeCopier(CopyOptions options, Action<string, long>? progress = null, CancellationToken cancellation = default)
{
    private const int Piece = 1 << 20;
    // Deeper than any path of Linux; a damaged volume may have directories that hold themselves.
    private const int MaximumDepth = 2048;

    private readonly byte[] _buffer = new byte[Piece];
    private readonly Dictionary<Key, FileNode> _linked = [];
    private readonly HashSet<Key> _made = [];

    /// <summary>What was done so far.</summary>
    public CopyResult Result { get; } = new();

    /// <summary>Copies one file or directory into a directory under a name.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled; what is copied so far stays.</exception>
    public void Copy(FileNode source, FileNode directory, ReadOnlySpan<byte> name) => CopyNode(source, directory, name.ToArray(), 0);

    /// <summary>Ends it: gives back what was kept for hard links.</summary>
    public void Finish()
    {
        foreach (FileNode node in _linked.Values)
        {
            node.Dispose();
        }
        _linked.Clear();
    }

    private void CopyNode(FileNode source, FileNode directory, byte[] name, int depth)
    {
        cancellation.ThrowIfCancellationRequested();
        string what = $"cannot copy {source.Path}";
        try
        {
            FileFacts facts = source.Facts;
            progress?.Invoke(source.Path, Result.Bytes);
            switch (facts.Kind)
            {
                case FileKind.Directory when !options.IsRecursive:
                    Result.Failed.Add(new MountException(MountError.Usage, what, "it is a directory", "Give -r to copy directories."));
                    return;
                case FileKind.Directory:
                    CopyDirectory(source, facts, directory, name, depth, what);
                    return;
                case FileKind.Regular or FileKind.Symlink:
                    break;
                default:
                    if (!options.IsArchive)
                    {
                        Result.Skipped.Add($"{source.Path}: a {Describe(facts.Kind)}; -a copies it");
                        return;
                    }
                    break;
            }
            CopyFile(source, facts, directory, name, what);
        }
        catch (Exception e) when (e is MountException or IOException or UnauthorizedAccessException or Ext4.Ext4CorruptException or Storage.BlockDeviceException)
        {
            Result.Failed.Add(Failures.Explain(e, what));
        }
    }

    private void CopyDirectory(FileNode source, in FileFacts facts, FileNode directory, byte[] name, int depth, string what)
    {
        if (depth > MaximumDepth)
        {
            throw new MountException(MountError.Damaged, what, "directories are nested too deep");
        }
        if (KeyOf(source) is { } key && (_made.Contains(key) || key == KeyOf(directory)))
        {
            throw new MountException(MountError.Usage, what, "it would be copied into itself");
        }
        FileNode? target = directory.Find(name);
        if (target is not null && target.Facts.Kind != FileKind.Directory)
        {
            // Not through a link either: an image may hold a link and a directory of one name, to lead out of the target.
            string path = target.Path;
            target.Dispose();
            throw new MountException(MountError.Failed, what, $"{path} is there and is no directory");
        }
        bool isNew = target is null;
        target ??= directory.CreateDirectory(name);
        using (target)
        {
            Result.Directories += isNew ? 1 : 0;
            if (isNew && KeyOf(target) is { } made)
            {
                _made.Add(made);
            }
            foreach (byte[] child in source.List())
            {
                using FileNode? node = source.Find(child);
                if (node is not null)
                {
                    CopyNode(node, target, child, depth + 1);
                }
            }
            // Last: what is made in it changes its times, and its mode may forbid it.
            Finish(source, facts, target);
        }
    }

    private void CopyFile(FileNode source, in FileFacts facts, FileNode directory, byte[] name, string what)
    {
        if (directory.Find(name) is { } existing)
        {
            using (existing)
            {
                if (options.KeepsExisting)
                {
                    Result.Skipped.Add($"{existing.Path}: it is there");
                    return;
                }
                if (existing.Facts.Kind == FileKind.Directory)
                {
                    throw new MountException(MountError.Failed, what, $"{existing.Path} is a directory");
                }
                if (IsSame(source, existing))
                {
                    throw new MountException(MountError.Usage, what, "source and target are the same file");
                }
            }
            // A new file, so that neither a link is written through nor the other names of the old one change.
            directory.Remove(name);
        }
        Key? linked = options.IsArchive && facts.Links > 1 ? KeyOf(source) : null;
        if (linked is not null && _linked.TryGetValue(linked, out FileNode? first))
        {
            directory.CreateLink(name, first);
            Result.Others++;
            return;
        }
        FileNode target = facts.Kind switch
        {
            FileKind.Regular => directory.CreateFile(name),
            FileKind.Symlink => directory.CreateSymlink(name, source.ReadLink()),
            _ => directory.CreateSpecial(name, facts.Kind, facts.Device),
        };
        bool isKept = false;
        try
        {
            if (facts.Kind == FileKind.Regular)
            {
                CopyContent(source, facts.Size, target);
                Result.Files++;
            }
            else
            {
                Result.Others++;
            }
            Finish(source, facts, target);
            isKept = linked is not null && _linked.TryAdd(linked, target);
        }
        finally
        {
            if (!isKept)
            {
                target.Dispose();
            }
        }
    }

    private void CopyContent(FileNode source, long size, FileNode target)
    {
        long at = 0;
        while (at < size && (at = source.NextData(at)) < size)
        {
            cancellation.ThrowIfCancellationRequested();
            int count = source.Read(_buffer.AsSpan(0, (int)Math.Min(Piece, size - at)), at);
            if (count == 0)
            {
                break;
            }
            if (_buffer.AsSpan(0, count).ContainsAnyExcept((byte)0))
            {
                target.Write(_buffer.AsSpan(0, count), at);
                Result.Bytes += count;
            }
            at += count;
            progress?.Invoke(source.Path, Result.Bytes);
        }
        target.SetSize(size);
    }

    private void Finish(FileNode source, FileFacts facts, FileNode target)
    {
        if (options.IsArchive)
        {
            foreach ((byte[] name, byte[] value) in source.GetAttributes())
            {
                try
                {
                    target.SetAttribute(name, value);
                }
                catch (Exception e) when (e is MountException or IOException)
                {
                    Result.Skipped.Add($"{target.Path}: attribute {Encoding.UTF8.GetString(name)}: {Failures.Explain(e, "cannot set it").Message}");
                }
            }
        }
        if (options.Owner is { } owner)
        {
            facts = facts with { Uid = owner.Uid, Gid = owner.Gid };
        }
        target.SetFacts(facts, setOwner: options.IsArchive || options.Owner is not null);
    }

    private static bool IsSame(FileNode source, FileNode target) => KeyOf(source) is { } key && key == KeyOf(target);

    // Which file it is, among those of all trees: two volumes have the same inode numbers. Null where that cannot be told.
    private static Key? KeyOf(FileNode node) => node switch
    {
        VolumeNode volume => new Key(volume.Volume, node.Facts.Identity),
        LinuxNode => new Key(null, node.Facts.Identity),
        _ => null,
    };

    private sealed record Key(Ext4.Ext4Volume? Volume, (ulong, ulong) Identity);

    private static string Describe(FileKind kind) => kind switch
    {
        FileKind.Fifo => "FIFO",
        FileKind.Socket => "socket",
        FileKind.CharDevice => "character device",
        _ => "block device",
    };
}
