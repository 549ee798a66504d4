using WinLoop.Ext4;
using WinLoop.Mounting.Windows.Names;

namespace WinLoop.Mounting.Windows;

// From a path to a dentry.
public sealed partial class WindowsFileSystem
{
    private const int MaximumLinks = 40;

    /// <summary>Attributes and descriptor of a name. <see cref="NtStatus.Reparse"/>: a link stands before the last
    /// component; <paramref name="attributes"/> is then the index in <paramref name="path"/> of the first character
    /// of that link's component.</summary>
    /// <param name="path">The name.</param>
    /// <param name="attributes">FILE_ATTRIBUTE_*.</param>
    /// <param name="descriptor">Self-relative, cached: not to be changed. Empty = no access check.</param>
    public NtStatus GetSecurityByName(ReadOnlySpan<char> path, out uint attributes, out byte[] descriptor)
    {
        attributes = 0;
        descriptor = [];
        if (!WindowsPath.TryParse(path, out WindowsPath parsed))
        {
            return NtStatus.ObjectNameInvalid;
        }
        NtStatus status = Walk(parsed.File, out Dentry? dentry, out int link);
        if (status != NtStatus.Success)
        {
            attributes = (uint)link;
            return status;
        }
        try
        {
            Inode inode = dentry!.Inode;
            if (parsed.HasStream && !TryFindStream(inode, parsed.Stream, out _, out _))
            {
                return NtStatus.ObjectNameNotFound;
            }
            Ext4.FileAttributes stat = _volume.GetAttributes(inode);
            attributes = AttributesOf(dentry, inode, stat.Mode, StoredOf(inode));
            if (parsed.HasStream)
            {
                attributes &= ~DosAttributes.Directory;
                attributes = attributes == 0 ? DosAttributes.Normal : attributes;
            }
            descriptor = DescriptorOf(stat);
            return NtStatus.Success;
        }
        finally
        {
            _names.Unpin(dentry);
        }
    }

    /// <summary>Walks a path without a stream. The dentry is pinned. Reparse: a link stands before the last component,
    /// at index <paramref name="link"/>.</summary>
    private NtStatus Walk(ReadOnlySpan<char> path, out Dentry? dentry, out int link)
    {
        link = 0;
        while (true)
        {
            Dentry current = _names.Root;
            bool isLost = false;
            WindowsPath.ComponentEnumerator components = WindowsPath.Split(path);
            bool hasAny = false;
            while (!isLost && components.MoveNext())
            {
                hasAny = true;
                ReadOnlySpan<char> name = components.Current;
                Dentry? next;
                if (components.IsLast)
                {
                    if (!_names.TryLookUp(current, name, out dentry))
                    {
                        isLost = true;
                        break;
                    }
                    return dentry is null ? NtStatus.ObjectNameNotFound : NtStatus.Success;
                }
                if (!_names.TryPeek(current, name, out next))
                {
                    if (!_names.TryLookUp(current, name, out next))
                    {
                        isLost = true;
                        break;
                    }
                    // Recently used, so it stays for the next step; should it not, the walk begins again.
                    _names.Unpin(next);
                }
                if (next is null)
                {
                    dentry = null;
                    return NtStatus.ObjectPathNotFound;
                }
                if (next.Inode.IsSymlink)
                {
                    dentry = null;
                    link = components.Start;
                    return NtStatus.Reparse;
                }
                if (next.Directory is null)
                {
                    dentry = null;
                    return NtStatus.ObjectPathNotFound;
                }
                current = next;
            }
            if (!isLost && !hasAny)
            {
                dentry = _names.Root;
                dentry.Pin();
                return NtStatus.Success;
            }
        }
    }

    /// <summary>The pinned directory that holds, or is to hold, the last component of a path.</summary>
    private NtStatus WalkToParent(scoped in WindowsPath path, out Dentry? parent)
    {
        NtStatus status = Walk(path.Parent, out parent, out _);
        if (status == NtStatus.Success && parent!.Directory is null)
        {
            bool isLink = parent.Inode.IsSymlink;
            _names.Unpin(parent);
            parent = null;
            return isLink ? NtStatus.Reparse : NtStatus.ObjectPathNotFound;
        }
        return status == NtStatus.ObjectNameNotFound ? NtStatus.ObjectPathNotFound : status;
    }

    /// <summary>The pinned dentry of a name in a directory that the caller has pinned; null if there is none.</summary>
    private Dentry? LookUpIn(Dentry parent, ReadOnlySpan<char> name) =>
        _names.TryLookUp(parent, name, out Dentry? dentry) ? dentry : throw new InvalidOperationException("A pinned directory was evicted.");

    /// <summary>True if a link leads to a directory of this volume. Remembered until a directory or a link comes or goes.</summary>
    private bool LeadsToDirectory(Dentry directory, Inode inode)
    {
        InodeState state = inode.GetTag<InodeState>();
        int version = Volatile.Read(ref _treeVersion);
        if (state.TryGetTarget(version, out bool isDirectory))
        {
            return isDirectory;
        }
        int links = 0;
        Dentry? target = Follow(directory, inode, ref links);
        isDirectory = target?.Directory is not null;
        _names.Unpin(target);
        state.SetTarget(version, isDirectory);
        return isDirectory;
    }

    // The pinned dentry that a link in a directory leads to; null if it dangles, loops or leads out of the volume.
    private Dentry? Follow(Dentry directory, Inode link, ref int links)
    {
        if (++links > MaximumLinks)
        {
            return null;
        }
        byte[] target = new byte[_volume.Geometry.BlockSize];
        ReadOnlySpan<byte> rest = target.AsSpan(0, _volume.ReadLink(link, target));
        Dentry current = rest[0] == (byte)'/' ? _names.Root : directory;
        current.Pin();
        Span<char> name = stackalloc char[WindowsName.MaxLength];
        while (!rest.IsEmpty)
        {
            int slash = rest.IndexOf((byte)'/');
            ReadOnlySpan<byte> component = slash < 0 ? rest : rest[..slash];
            rest = slash < 0 ? default : rest[(slash + 1)..];
            if (component.IsEmpty || component is [(byte)'.'])
            {
                continue;
            }
            Dentry? next;
            if (component is [(byte)'.', (byte)'.'])
            {
                next = current.Place.Parent ?? _names.Root;
                next.Pin();
            }
            else if (current.Directory is null || component.Length > WindowsName.MaxLength ||
                !_names.TryLookUp(current, name[..WindowsName.Decode(component, name)], out next))
            {
                next = null;
            }
            if (next is not null && next.Inode.IsSymlink)
            {
                Dentry? through = Follow(current, next.Inode, ref links);
                _names.Unpin(next);
                next = through;
            }
            _names.Unpin(current);
            if (next is null)
            {
                return null;
            }
            current = next;
        }
        return current;
    }
}
