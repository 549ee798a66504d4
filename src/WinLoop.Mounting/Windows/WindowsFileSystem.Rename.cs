using WinLoop.Ext4;
using WinLoop.Mounting.Windows.Names;

namespace WinLoop.Mounting.Windows;

// Moving names.
public sealed partial class WindowsFileSystem
{
    /// <summary>Moves a name; names of what is open below follow.</summary>
    /// <remarks>The file that goes is the one that is open, whatever <paramref name="path"/> says by now. A name that
    /// differs from an existing one in case only replaces that one. A directory is never replaced, nor put in the place
    /// of a file, as on NTFS.</remarks>
    public NtStatus Rename(WindowsFile file, ReadOnlySpan<char> path, ReadOnlySpan<char> newPath, bool replace)
    {
        if (IsReadOnly)
        {
            return NtStatus.MediaWriteProtected;
        }
        if (!WindowsPath.TryParse(newPath, out WindowsPath parsed))
        {
            return NtStatus.ObjectNameInvalid;
        }
        if (file.Stream is not null)
        {
            return !parsed.HasStream ? NtStatus.NotSupported
                : IsPathOf(file.Dentry, parsed.File) ? RenameStream(file, parsed.Stream, replace)
                : NtStatus.InvalidParameter; // a stream does not go over to another file
        }
        if (parsed.HasStream)
        {
            return NtStatus.InvalidParameter;
        }
        Span<byte> newName = stackalloc byte[WindowsName.MaxLength];
        if (file.Dentry.Place.Parent is null || parsed.IsRoot)
        {
            return NtStatus.AccessDenied;
        }
        int length = WindowsName.Encode(parsed.Name, newName);
        if (length < 0)
        {
            return NtStatus.ObjectNameInvalid;
        }
        NtStatus status = WalkToParent(parsed, out Dentry? parent);
        if (status != NtStatus.Success)
        {
            return status;
        }
        try
        {
            return RenameInto(file.Dentry, parent!, parsed.Name, newName[..length], replace);
        }
        catch (Ext4Exception e) when (e.Errno == Errno.ENOENT)
        {
            return NtStatus.ObjectPathNotFound; // the new directory was removed meanwhile
        }
        finally
        {
            _names.Unpin(parent);
        }
    }

    private bool IsPathOf(Dentry dentry, ReadOnlySpan<char> path)
    {
        bool isFound = Walk(path, out Dentry? found, out _) == NtStatus.Success;
        bool isSame = isFound && ReferenceEquals(found, dentry);
        _names.Unpin(found);
        return isSame;
    }

    private NtStatus RenameInto(Dentry source, Dentry parent, ReadOnlySpan<char> name, ReadOnlySpan<byte> newName, bool replace)
    {
        while (true)
        {
            DentryPlace place = source.Place;
            Dentry old = place.Parent!;
            bool isCross = !ReferenceEquals(old, parent);
            bool isExclusive = isCross || source.Inode.IsDirectory;
            (Lock first, Lock second) = (old.Directory!.ChangeLock, parent.Directory!.ChangeLock);
            if (parent.Inode.Number < old.Inode.Number)
            {
                (first, second) = (second, first);
            }
            if (isExclusive)
            {
                _names.RenameLock.Enter();
            }
            try
            {
                first.Enter();
                second.Enter(); // the same one, once more, within a directory
                try
                {
                    if (!ReferenceEquals(source.Place, place))
                    {
                        continue; // moved meanwhile
                    }
                    return source.IsHashed ? RenameLocked(source, place, parent, name, newName, replace) : NtStatus.ObjectNameNotFound;
                }
                finally
                {
                    second.Exit();
                    first.Exit();
                }
            }
            finally
            {
                if (isExclusive)
                {
                    _names.RenameLock.Exit();
                }
            }
        }
    }

    private NtStatus RenameLocked(Dentry source, DentryPlace place, Dentry parent, ReadOnlySpan<char> name, ReadOnlySpan<byte> newName, bool replace)
    {
        Dentry? target = LookUpIn(parent, name);
        try
        {
            if (ReferenceEquals(target, source))
            {
                if (name.SequenceEqual(place.Name))
                {
                    return NtStatus.Success;
                }
            }
            else if (target is not null)
            {
                if (!replace)
                {
                    return NtStatus.ObjectNameCollision;
                }
                if (target.Inode.IsDirectory || source.Inode.IsDirectory)
                {
                    return NtStatus.AccessDenied;
                }
            }
            bool touchesTree = !source.Inode.IsRegular || target is { Inode.IsRegular: false };
            Dentry old = place.Parent!;
            DirectoryNames oldNames = old.Directory!, newNames = parent.Directory!;
            bool isCross = !ReferenceEquals(oldNames, newNames);
            oldNames.BeginChange();
            if (isCross)
            {
                newNames.BeginChange();
            }
            int hash = OpenFileTable.HashOf(source);
            try
            {
                Move(source, place, parent, name, newName, ReferenceEquals(target, source) ? null : target);
            }
            finally
            {
                _open.Moved(source, hash);
                if (isCross)
                {
                    newNames.EndChange();
                }
                oldNames.EndChange();
            }
            if (touchesTree)
            {
                TreeChanged();
            }
            return NtStatus.Success;
        }
        finally
        {
            _names.Unpin(target);
        }
    }

    private void Move(Dentry source, DentryPlace place, Dentry parent, ReadOnlySpan<char> name, ReadOnlySpan<byte> newName, Dentry? target)
    {
        Inode oldDirectory = place.Parent!.Inode, newDirectory = parent.Inode;
        Span<byte> oldName = stackalloc byte[WindowsName.MaxLength];
        oldName = oldName[..WindowsName.Encode(place.Name, oldName)];
        if (target is null)
        {
            _volume.Rename(oldDirectory, oldName, newDirectory, newName, RenameFlags.None, _writer);
            _names.Moved(source, parent, name.ToString());
            return;
        }
        // Onto the name as it is, so that there is always one of the two files under it; then its case.
        string targetName = target.Place.Name;
        Span<byte> onto = stackalloc byte[WindowsName.MaxLength];
        onto = onto[..WindowsName.Encode(targetName, onto)];
        if (ReferenceEquals(target.Inode, source.Inode))
        {
            _volume.Unlink(oldDirectory, oldName); // for POSIX two names of one file need no move
        }
        else
        {
            _volume.Rename(oldDirectory, oldName, newDirectory, onto, RenameFlags.None, _writer);
        }
        _names.Removed(target);
        _names.Moved(source, parent, targetName);
        if (!onto.SequenceEqual(newName))
        {
            _volume.Rename(newDirectory, onto, newDirectory, newName, RenameFlags.None, _writer);
            _names.Moved(source, parent, name.ToString());
        }
    }
}
