using WinLoop.Ext4;
using WinLoop.Mounting.Windows.Names;

namespace WinLoop.Mounting.Windows;

// Listings and single names.
public sealed partial class WindowsFileSystem
{
    /// <summary>Lists a directory, "." and ".." included except in the root.</summary>
    /// <param name="file">The open directory.</param>
    /// <param name="marker">Entries after this name; ignored unless <paramref name="hasMarker"/>. The name may be gone.</param>
    /// <param name="hasMarker">False: from the start.</param>
    /// <param name="sink">Takes the entries.</param>
    /// <param name="isEnd">True: there are no more; false: the sink had no room.</param>
    /// <remarks>An open keeps the sorted names of its listing. Names that are deleted meanwhile are left out, what they
    /// are is looked up when they are given; new names are in the next listing.</remarks>
    public NtStatus ReadDirectory(WindowsFile file, ReadOnlySpan<char> marker, bool hasMarker, WindowsDirectorySink sink, out bool isEnd)
    {
        isEnd = false;
        if (!file.IsDirectory || file.Dentry.Directory is not { } names || !file.Inode.IsDirectory)
        {
            return NtStatus.InvalidParameter;
        }
        DirectorySnapshot? listing = file.Listing;
        if (listing is null || (!hasMarker && !IsCurrent(listing, names)))
        {
            listing = ListingOf(file.Dentry, names);
            file.Listing = listing;
            file.ListingPosition = 0;
        }
        int position = 0;
        bool wantsDot = false, wantsDotDot = false;
        if (!hasMarker)
        {
            wantsDot = wantsDotDot = file.Dentry.Place.Parent is not null;
        }
        else if (marker is ".")
        {
            wantsDotDot = true;
        }
        else if (marker is not "..")
        {
            int last = file.ListingPosition;
            position = last > 0 && last <= listing.Count && marker.SequenceEqual(listing[last - 1]) ? last : listing.After(marker);
        }
        if ((wantsDot && !Give(file.Dentry, ".", sink)) ||
            (wantsDotDot && !Give(file.Dentry.Place.Parent ?? file.Dentry, "..", sink)))
        {
            return NtStatus.Success;
        }
        for (; position < listing.Count; position++)
        {
            if (!GiveEntry(file.Dentry, names, listing, position, sink))
            {
                file.ListingPosition = position;
                return NtStatus.Success;
            }
        }
        file.ListingPosition = position;
        isEnd = true;
        return NtStatus.Success;
    }

    /// <summary>One name of a directory.</summary>
    public NtStatus GetDirInfoByName(WindowsFile file, ReadOnlySpan<char> name, Span<char> actualName, out int actualLength, out WindowsFileInfo info)
    {
        actualLength = 0;
        info = default;
        if (!file.IsDirectory || file.Dentry.Directory is null)
        {
            return NtStatus.InvalidParameter;
        }
        Dentry? dentry;
        ReadOnlySpan<char> shown;
        if (name is "." or "..")
        {
            dentry = name.Length == 1 ? file.Dentry : file.Dentry.Place.Parent;
            dentry?.Pin();
            shown = name;
        }
        else
        {
            dentry = LookUpIn(file.Dentry, name);
            shown = dentry is null ? default : dentry.Place.Name;
        }
        if (dentry is null)
        {
            return NtStatus.ObjectNameNotFound;
        }
        try
        {
            if (!shown.TryCopyTo(actualName))
            {
                return NtStatus.BufferTooSmall;
            }
            actualLength = shown.Length;
            FillInfo(dentry, dentry.Inode, null, out info, out _);
            return NtStatus.Success;
        }
        finally
        {
            _names.Unpin(dentry);
        }
    }

    // Names and order of an unchanged directory are the same for every open.
    private DirectorySnapshot ListingOf(Dentry directory, DirectoryNames names)
    {
        if (names.LastListing is { } last && last.TryGetTarget(out DirectorySnapshot? known) && IsCurrent(known, names))
        {
            return known;
        }
        DirectorySnapshot listing = DirectorySnapshot.Take(_volume, directory, _options.CaseSensitive);
        names.LastListing = new WeakReference<DirectorySnapshot>(listing);
        return listing;
    }

    private static bool IsCurrent(DirectorySnapshot listing, DirectoryNames names) =>
        (listing.Sequence & 1) == 0 && listing.Sequence == names.Sequence;

    private bool Give(Dentry directory, ReadOnlySpan<char> name, WindowsDirectorySink sink)
    {
        FillInfo(directory, directory.Inode, null, out WindowsFileInfo info, out _);
        return sink(name, info);
    }

    // False: the sink is full.
    private bool GiveEntry(Dentry directory, DirectoryNames names, DirectorySnapshot listing, int position, WindowsDirectorySink sink)
    {
        ReadOnlySpan<char> name = listing[position];
        WindowsFileInfo info = default;
        try
        {
            Inode? inode = ReferenceListed(directory, names, listing, position, name);
            if (inode is null)
            {
                return true;
            }
            try
            {
                FillInfo(directory, name, inode, out info, out _);
            }
            finally
            {
                _volume.Release(inode);
            }
        }
        catch (Ext4CorruptException)
        {
            // A damaged inode does not hide the other names; opening it tells what it is.
            info = new WindowsFileInfo { FileAttributes = DosAttributes.Normal, IndexNumber = listing.InodeAt(position) };
        }
        return sink(name, info);
    }

    // A reference to what a listed name names now; null if it is gone.
    private Inode? ReferenceListed(Dentry directory, DirectoryNames names, DirectorySnapshot listing, int position, ReadOnlySpan<char> name)
    {
        if (IsCurrent(listing, names))
        {
            try
            {
                Inode inode = _volume.GetInode(listing.InodeAt(position));
                if (IsCurrent(listing, names))
                {
                    return inode;
                }
                _volume.Release(inode); // the number may have got another life
            }
            catch (Ext4Exception e) when (e.Errno == Errno.ESTALE)
            {
                if (IsCurrent(listing, names))
                {
                    return null; // a damaged directory names what is not in use
                }
            }
        }
        Span<byte> bytes = stackalloc byte[WindowsName.MaxLength];
        int length = WindowsName.Encode(name, bytes);
        return length < 0 ? null : _volume.Lookup(directory.Inode, bytes[..length]);
    }
}
