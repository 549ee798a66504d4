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
    /// <summary>How deep directories may be nested in what is copied or listed as a whole: the stack's bound. A mount has none.</summary>
    public const int MaximumDepth = 1024;

    private readonly byte[] _buffer = new byte[Piece];
    private readonly Dictionary<Key, FileNode> _linked = [];
    private readonly HashSet<Key> _made = [];
    private readonly HashSet<string> _topNames = [];
    private long _ownersLost, _attributesLost, _linksLost;

    /// <summary>What was done so far.</summary>
    public CopyResult Result { get; } = new();

    /// <summary>Copies one file or directory into a directory under a name.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled; what is copied so far stays.</exception>
    public void Copy(FileNode source, FileNode directory, ReadOnlySpan<byte> name)
    {
        if (!IsTaken(source, directory, name, _topNames))
        {
            CopyNode(source, directory, name.ToArray(), 0);
        }
    }

    /// <summary>Ends it: gives back what was kept for hard links, and says what the target could not keep.</summary>
    public void Finish()
    {
        AddLoss(_ownersLost, "the owners of {0} files, which this user or system cannot set");
        AddLoss(_attributesLost, "the extended attributes of {0} files, which this system does not have");
        AddLoss(_linksLost, "the hard links of {0} names, which became files of their own");
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
        catch (Exception e) when (IsExpected(e))
        {
            Result.Failed.Add(Failures.Explain(e, what));
        }
    }

    private void CopyDirectory(FileNode source, in FileFacts facts, FileNode directory, byte[] name, int depth, string what)
    {
        if (depth > MaximumDepth)
        {
            throw new MountException(MountError.Unsupported, what, $"directories are nested more than {MaximumDepth} deep", "Mount the image for that.");
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
            var names = new HashSet<string>();
            foreach (byte[] child in source.List())
            {
                CopyChild(source, target, child, names, depth + 1);
            }
            // Last: what is made in it changes its times, and its mode may forbid it.
            Finish(source, facts, target);
        }
    }

    // A name that cannot be looked up, as only a damaged directory has it, does not keep the others.
    private void CopyChild(FileNode source, FileNode target, byte[] name, HashSet<string> names, int depth)
    {
        FileNode? node;
        try
        {
            node = source.Find(name);
        }
        catch (Exception e) when (IsExpected(e))
        {
            Result.Failed.Add(Failures.Explain(e, $"cannot copy {source.Path}/{Encoding.UTF8.GetString(name)}"));
            return;
        }
        using (node)
        {
            if (node is not null && !IsTaken(node, target, name, names))
            {
                CopyNode(node, target, name, depth);
            }
        }
    }

    private bool IsTaken(FileNode source, FileNode directory, ReadOnlySpan<byte> name, HashSet<string> names)
    {
        if (directory.FoldName(name) is not { } key || names.Add($"{directory.Path}/{key}"))
        {
            return false;
        }
        Result.Failed.Add(new MountException(MountError.Failed, $"cannot copy {source.Path}",
            "a name that differs in case only was copied to there already", "Copy it by itself, under another name or to another folder."));
        return true;
    }

    private static bool IsExpected(Exception e) =>
        e is MountException or IOException or UnauthorizedAccessException or Ext4.Ext4CorruptException or Storage.BlockDeviceException;

    private void CopyFile(FileNode source, in FileFacts facts, FileNode directory, byte[] name, string what)
    {
        bool isReplaced = false;
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
            isReplaced = true;
        }
        Key? linked = options.IsArchive && facts.Links > 1 ? KeyOf(source) : null;
        if (linked is not null && !directory.KeepsHardLinks)
        {
            _linksLost++;
            linked = null;
        }
        if (linked is not null && _linked.TryGetValue(linked, out FileNode? first))
        {
            if (isReplaced)
            {
                directory.Remove(name);
            }
            directory.CreateLink(name, first);
            Result.Others++;
            return;
        }
        // Under another name until it is whole, so that what cannot be copied does not cost the file that is there. A new
        // file in any case: neither is a link written through, nor do the other names of the old one change.
        byte[] made = isReplaced ? FileNode.TemporaryName() : name;
        bool isDone = false;
        FileNode target = facts.Kind switch
        {
            FileKind.Regular => directory.CreateFile(made),
            FileKind.Symlink => directory.CreateSymlink(made, source.ReadLink()),
            _ => directory.CreateSpecial(made, facts.Kind, facts.Device),
        };
        bool isKept = false;
        try
        {
            if (facts.Kind == FileKind.Regular)
            {
                CopyContent(source, facts.Size, target);
            }
            Finish(source, facts, target);
            if (isReplaced)
            {
                directory.Replace(name, made);
            }
            isDone = true;
            Result.Files += facts.Kind == FileKind.Regular ? 1 : 0;
            Result.Others += facts.Kind == FileKind.Regular ? 0 : 1;
            // Found again by its name: what a node of the host is called does not change with it.
            isKept = linked is not null && !isReplaced && _linked.TryAdd(linked, target);
        }
        finally
        {
            if (!isKept)
            {
                target.Dispose();
            }
            if (isReplaced && !isDone)
            {
                directory.Remove(made);
            }
        }
        if (linked is not null && isReplaced && directory.Find(name) is { } whole && !_linked.TryAdd(linked, whole))
        {
            whole.Dispose();
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

    // The owner first, because a change of it clears capabilities and set-id bits; the mode after the attributes, because it may
    // forbid to set them; the times last.
    private void Finish(FileNode source, FileFacts facts, FileNode target)
    {
        bool hasOwner = SetOwner(facts, target);
        if (options.IsArchive)
        {
            CopyAttributes(source, target);
        }
        target.SetFacts(facts, keepSetId: hasOwner);
    }

    // Who may not give files away keeps them: the copy is worth having all the same.
    private bool SetOwner(in FileFacts facts, FileNode target)
    {
        if (options.Owner is { } given)
        {
            target.SetOwner(given.Uid, given.Gid);
            return true;
        }
        if (!options.IsArchive)
        {
            return false;
        }
        try
        {
            if (target.KeepsOwners)
            {
                target.SetOwner(facts.Uid, facts.Gid);
                return true;
            }
        }
        catch (MountException e) when (e.Error == MountError.Denied)
        {
        }
        _ownersLost++;
        return false;
    }

    private void CopyAttributes(FileNode source, FileNode target)
    {
        IReadOnlyList<(byte[] Name, byte[] Value)> attributes = source.GetAttributes();
        if (attributes.Count > 0 && !target.KeepsAttributes)
        {
            _attributesLost++;
            return;
        }
        foreach ((byte[] name, byte[] value) in attributes)
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

    private void AddLoss(long count, string sentence)
    {
        if (count > 0)
        {
            Result.Skipped.Add(string.Format(System.Globalization.CultureInfo.InvariantCulture, sentence, count));
        }
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
