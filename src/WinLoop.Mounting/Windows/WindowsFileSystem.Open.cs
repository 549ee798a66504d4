using WinLoop.Ext4;
using WinLoop.Ext4.Format;
using WinLoop.Mounting.Windows.Names;

namespace WinLoop.Mounting.Windows;

// Create, open, cleanup, close, delete.
public sealed partial class WindowsFileSystem
{
    private const uint DirectoryFile = 0x1, NonDirectoryFile = 0x40, DeleteOnClose = 0x1000;

    // What Linux protects (chattr +i, +a). Nothing changes these flags while the volume is mounted here.
    private const InodeFlags Protected = InodeFlags.Immutable | InodeFlags.Append;

    /// <summary>Creates a file, a directory or a stream, and opens it.</summary>
    public NtStatus Create(ReadOnlySpan<char> path, in CreateParameters parameters, out WindowsFile? file, out WindowsFileInfo info)
    {
        file = null;
        info = default;
        if (IsReadOnly)
        {
            return NtStatus.MediaWriteProtected;
        }
        if (!WindowsPath.TryParse(path, out WindowsPath parsed))
        {
            return NtStatus.ObjectNameInvalid;
        }
        if (parsed.HasStream)
        {
            return CreateStream(parsed, parameters, out file, out info);
        }
        if (parsed.IsRoot)
        {
            return NtStatus.ObjectNameCollision;
        }
        NtStatus status = CreateDentry(parsed, parameters, out Dentry? dentry);
        return status == NtStatus.Success ? OpenNew(dentry!, parameters, out file, out info) : status;
    }

    /// <summary>Opens what exists; links in the last component are opened themselves.</summary>
    public NtStatus Open(ReadOnlySpan<char> path, uint createOptions, uint grantedAccess, out WindowsFile? file, out WindowsFileInfo info)
    {
        file = null;
        info = default;
        if (!WindowsPath.TryParse(path, out WindowsPath parsed))
        {
            return NtStatus.ObjectNameInvalid;
        }
        NtStatus status = Walk(parsed.File, out Dentry? dentry, out _);
        if (status != NtStatus.Success)
        {
            return status;
        }
        bool isKept = false;
        try
        {
            Inode inode = dentry!.Inode;
            string? stream = null;
            if (parsed.HasStream && !TryFindStream(inode, parsed.Stream, out stream, out _))
            {
                return NtStatus.ObjectNameNotFound;
            }
            FillInfo(dentry, inode, stream, out info, out uint links);
            bool isDirectory = (info.FileAttributes & DosAttributes.Directory) != 0;
            if ((createOptions & DirectoryFile) != 0 && !isDirectory)
            {
                return NtStatus.NotADirectory;
            }
            if ((createOptions & NonDirectoryFile) != 0 && isDirectory)
            {
                return NtStatus.FileIsADirectory;
            }
            file = TryRegister(dentry, inode, stream, links, createOptions);
            isKept = file is not null;
            return isKept ? NtStatus.Success : NtStatus.SharingViolation;
        }
        finally
        {
            if (!isKept)
            {
                _names.Unpin(dentry);
            }
        }
    }

    /// <summary>The last handle is closed; with <see cref="CleanupFlags.Delete"/> the name goes now.</summary>
    public void Cleanup(WindowsFile file, ReadOnlySpan<char> path, CleanupFlags flags)
    {
        file.IsCleanedUp = true;
        if (IsReadOnly || flags == CleanupFlags.None)
        {
            return;
        }
        if ((flags & CleanupFlags.Delete) != 0)
        {
            Delete(file);
            return;
        }
        ApplyCleanup(file, flags);
    }

    /// <summary>Nothing refers to the open any more.</summary>
    public void Close(WindowsFile file)
    {
        if (!file.TryClose())
        {
            return;
        }
        _open.Remove(file);
        file.Listing = null;
        Inode inode = file.Inode;
        try
        {
            if (inode.IsRegular)
            {
                _volume.OnLastClose(inode);
            }
        }
        finally
        {
            _names.Unpin(file.Dentry);
            _volume.Release(inode);
        }
    }

    /// <summary>Says whether the file may be deleted; the deletion is Cleanup's.</summary>
    public NtStatus SetDelete(WindowsFile file, ReadOnlySpan<char> path, bool delete)
    {
        if (!delete)
        {
            file.IsMarkedForDeletion = false;
            return NtStatus.Success;
        }
        if (IsReadOnly)
        {
            return NtStatus.MediaWriteProtected;
        }
        Dentry? parent = file.Dentry.Place.Parent;
        if (file.Stream is null && (parent is null || (parent.Inode.Flags & Protected) != 0))
        {
            return NtStatus.CannotDelete;
        }
        if ((file.Inode.Flags & Protected) != 0)
        {
            return NtStatus.CannotDelete;
        }
        if (file.Stream is null && file.Inode.IsDirectory && !IsEmpty(file.Inode))
        {
            return NtStatus.DirectoryNotEmpty;
        }
        file.IsMarkedForDeletion = true;
        return NtStatus.Success;
    }

    // Makes the node a name is to have. The dentry is pinned.
    private NtStatus CreateDentry(scoped in WindowsPath path, in CreateParameters parameters, out Dentry? dentry)
    {
        dentry = null;
        Span<byte> name = stackalloc byte[WindowsName.MaxLength];
        int length = WindowsName.Encode(path.Name, name);
        if (length < 0)
        {
            return NtStatus.ObjectNameInvalid;
        }
        var node = new NewNode();
        NtStatus status = PlanNode(parameters, ref node);
        if (status != NtStatus.Success)
        {
            return status;
        }
        status = WalkToParent(path, out Dentry? parent);
        if (status != NtStatus.Success)
        {
            return status;
        }
        try
        {
            lock (parent!.Directory!.ChangeLock)
            {
                if (LookUpIn(parent, path.Name) is { } existing)
                {
                    _names.Unpin(existing);
                    return NtStatus.ObjectNameCollision;
                }
                using var change = new NameCache.Change(parent);
                Inode inode = MakeNode(parent.Inode, name[..length], node);
                dentry = _names.Added(parent, path.Name.ToString(), inode);
            }
            if (node.Type is InodeMode.Directory or InodeMode.Symlink)
            {
                TreeChanged();
            }
            return NtStatus.Success;
        }
        catch (Ext4Exception e) when (e.Errno == Errno.ENOENT)
        {
            return NtStatus.ObjectPathNotFound; // the directory was removed meanwhile
        }
        finally
        {
            _names.Unpin(parent);
        }
    }

    // What a new node is made of.
    private ref struct NewNode
    {
        public ushort Type;
        public ushort Mode;
        public ReadOnlySpan<byte> Target;
    }

    private NtStatus PlanNode(in CreateParameters parameters, ref NewNode node)
    {
        bool isDirectory = (parameters.CreateOptions & DirectoryFile) != 0;
        node.Type = isDirectory ? InodeMode.Directory : InodeMode.Regular;
        node.Mode = (ushort)(isDirectory ? 0x1FF : 0x1B6);
        if (parameters.ExtraIsReparsePoint)
        {
            NtStatus status = PlanReparsePoint(parameters.Extra, ref node);
            if (status != NtStatus.Success)
            {
                return status;
            }
        }
        else if (!parameters.Extra.IsEmpty)
        {
            NtStatus status = CheckEas(parameters.Extra);
            if (status != NtStatus.Success)
            {
                return status;
            }
        }
        return NtStatus.Success;
    }

    private Inode MakeNode(Inode directory, ReadOnlySpan<byte> name, scoped in NewNode node)
    {
        Ext4.FileAttributes parent = _volume.GetAttributes(directory);
        var caller = new Caller(_options.Uid ?? parent.Uid, _options.Gid ?? parent.Gid, _options.Umask);
        return node.Type switch
        {
            InodeMode.Directory => _volume.CreateDirectory(directory, name, node.Mode, caller),
            InodeMode.Symlink => _volume.CreateSymlink(directory, name, node.Target, caller),
            _ => _volume.Create(directory, name, (ushort)(node.Type | node.Mode), 0, caller),
        };
    }

    // Attributes, extended attributes and reservation of a new file; without them it is taken back.
    private NtStatus OpenNew(Dentry dentry, in CreateParameters parameters, out WindowsFile? file, out WindowsFileInfo info)
    {
        info = default;
        Inode inode = dentry.Inode;
        file = TryRegister(dentry, inode, null, 1, parameters.CreateOptions);
        if (file is null)
        {
            return TakeBack(dentry, inode);
        }
        NtStatus status = NtStatus.UnexpectedIoError;
        try
        {
            status = SetNewAttributes(file, parameters);
            if (status == NtStatus.Success)
            {
                FillInfo(dentry, inode, null, out info, out _);
            }
        }
        finally
        {
            if (status != NtStatus.Success)
            {
                try
                {
                    Delete(file);
                }
                finally
                {
                    Close(file);
                }
                file = null;
            }
        }
        return status;
    }

    private NtStatus SetNewAttributes(WindowsFile file, in CreateParameters parameters)
    {
        Inode inode = file.Inode;
        if (inode.IsRegular || inode.IsDirectory)
        {
            // Windows gives ARCHIVE to every new file, and so does a file without stored attributes.
            uint attributes = parameters.FileAttributes | (inode.IsRegular ? DosAttributes.Archive : 0);
            ChangeDosAttributes(inode, attributes, createTime: 0);
        }
        if (!parameters.Extra.IsEmpty && !parameters.ExtraIsReparsePoint)
        {
            NtStatus status = ApplyEas(file, parameters.Extra);
            if (status != NtStatus.Success)
            {
                return status;
            }
        }
        return parameters.AllocationSize != 0 && inode.IsRegular
            ? Reserve(inode, parameters.AllocationSize)
            : NtStatus.Success;
    }

    // The name just made cannot be opened beside a twin of its path.
    private NtStatus TakeBack(Dentry dentry, Inode inode)
    {
        try
        {
            Delete(new WindowsFile(_names, _options.CaseSensitive, dentry, inode, null));
        }
        finally
        {
            _names.Unpin(dentry);
        }
        return NtStatus.SharingViolation;
    }

    // Takes over the pin on the dentry; null, and the pin stays the caller's, if a twin of the path is open.
    private WindowsFile? TryRegister(Dentry dentry, Inode inode, string? stream, uint links, uint createOptions)
    {
        _volume.AddReference(inode);
        var file = new WindowsFile(_names, _options.CaseSensitive, dentry, inode, stream)
        {
            // The driver caches by name: two names of one inode would be cached twice. A stream is rewritten as a
            // whole, which must not happen in the background. A write that will be refused has to be refused while the
            // program waits: what the cache accepts and cannot write back is lost.
            DisableCache = stream is not null || (!inode.IsDirectory && (links > 1 || (inode.Flags & Protected) != 0)) || _names.MayHaveTwin(dentry),
            IsMarkedForDeletion = (createOptions & DeleteOnClose) != 0,
        };
        if (_open.TryAdd(file))
        {
            return file;
        }
        _volume.Release(inode);
        return null;
    }

    private void Delete(WindowsFile file)
    {
        if (file.Stream is { } stream)
        {
            DeleteStream(file.Inode, stream);
            return;
        }
        Dentry dentry = file.Dentry;
        Span<byte> name = stackalloc byte[WindowsName.MaxLength];
        while (dentry.IsHashed)
        {
            DentryPlace place = dentry.Place;
            if (place.Parent is not { } parent)
            {
                return; // the root
            }
            lock (parent.Directory!.ChangeLock)
            {
                if (!ReferenceEquals(dentry.Place, place))
                {
                    continue; // moved meanwhile
                }
                if (!dentry.IsHashed || !ReferenceEquals(dentry.Inode, file.Inode))
                {
                    return; // the name is gone, or names something else
                }
                int length = WindowsName.Encode(place.Name, name);
                using var change = new NameCache.Change(parent);
                RemoveName(parent.Inode, name[..length], file.Inode);
                _names.Removed(dentry);
            }
            if (!file.Inode.IsRegular)
            {
                TreeChanged();
            }
            return;
        }
    }

    private void RemoveName(Inode directory, ReadOnlySpan<byte> name, Inode inode)
    {
        if (inode.IsDirectory)
        {
            _volume.RemoveDirectory(directory, name);
        }
        else
        {
            _volume.Unlink(directory, name);
        }
    }

    private bool IsEmpty(Inode directory)
    {
        bool isEmpty = true;
        _volume.ReadDirectory(directory, 0, (name, _, _, _) =>
            isEmpty = name is [(byte)'.'] or [(byte)'.', (byte)'.']);
        return isEmpty;
    }
}
