using WinLoop.Ext4;
using WinLoop.Ext4.Format;

namespace WinLoop.DiscUtils;

// Making, deleting and moving names.
public sealed partial class Ext4FileSystem
{
    private const ushort NewDirectoryMode = 0x1ED; // rwxr-xr-x

    /// <summary>Creates a directory and those above it that are missing. One that exists is left as it is.</summary>
    /// <exception cref="IOException">A file has the name.</exception>
    /// <exception cref="UnauthorizedAccessException">The volume is read-only, or a directory is immutable.</exception>
    public override void CreateDirectory(string path)
    {
        List<string> parts = DiscPath.Split(path);
        RequireOpen();
        for (int count = 1; count <= parts.Count; count++)
        {
            string part = string.Join('\\', parts.Take(count));
            using Place place = WalkTo(part, followLast: true);
            if (place.Exists)
            {
                if (!place.Inode!.IsDirectory)
                {
                    throw new IOException($"'{part}' exists and is not a directory.");
                }
                continue;
            }
            RequireWritable(part);
            try
            {
                _volume.Release(_volume.CreateDirectory(place.Directory, place.Name, NewDirectoryMode, _options.Caller));
            }
            catch (Ext4Exception e)
            {
                // Not in the filter of the catch: that runs while the directory is still locked.
                if (e.Errno != Errno.EEXIST || !DirectoryExists(part)) // somebody else was faster
                {
                    throw FailureMap.Explain(e, part, ReadOnlyReason);
                }
            }
        }
    }

    /// <summary>Deletes an empty directory.</summary>
    /// <exception cref="DirectoryNotFoundException">It does not exist, or is not a directory.</exception>
    /// <exception cref="IOException">It is not empty, it is the root, or it is a link (<see cref="DeleteFile"/>).</exception>
    /// <exception cref="UnauthorizedAccessException">The volume is read-only, or the directory is immutable.</exception>
    public override void DeleteDirectory(string path)
    {
        using Place place = WalkTo(path, followLast: false);
        Inode inode = place.Inode ?? throw FailureMap.MissingDirectory(path);
        if (inode.IsSymlink)
        {
            throw new IOException($"'{path}' is a symbolic link: DeleteFile deletes it.");
        }
        if (!inode.IsDirectory)
        {
            throw new DirectoryNotFoundException($"'{path}' is not a directory.");
        }
        RequireName(place, path);
        RequireWritable(path);
        Change(path, () => _volume.RemoveDirectory(place.Directory, place.Name));
    }

    /// <summary>Deletes a file, a link or a special file. Streams that are open on it go on working.</summary>
    /// <exception cref="FileNotFoundException">It does not exist.</exception>
    /// <exception cref="UnauthorizedAccessException">It is a directory, it is immutable, or the volume is read-only.</exception>
    public override void DeleteFile(string path)
    {
        using Place place = Find(path, followLast: false);
        if (place.Inode!.IsDirectory)
        {
            throw new UnauthorizedAccessException($"'{path}' is a directory.");
        }
        RequireWritable(path);
        Change(path, () => _volume.Unlink(place.Directory, place.Name));
    }

    /// <summary>Moves or renames a directory with all that is in it.</summary>
    /// <exception cref="DirectoryNotFoundException">The source is no directory, or there is none to hold the destination.</exception>
    /// <exception cref="IOException">The destination exists, or is inside the source.</exception>
    /// <exception cref="UnauthorizedAccessException">The volume is read-only, or a directory is immutable.</exception>
    public override void MoveDirectory(string sourceDirectoryName, string destinationDirectoryName)
    {
        using Place source = WalkTo(sourceDirectoryName, followLast: false);
        if (source.Inode is not { IsDirectory: true })
        {
            throw source.Exists ? new DirectoryNotFoundException($"'{sourceDirectoryName}' is not a directory.")
                : FailureMap.MissingDirectory(sourceDirectoryName);
        }
        RequireName(source, sourceDirectoryName);
        using Place destination = WalkTo(destinationDirectoryName, followLast: false);
        Move(source, sourceDirectoryName, destination, destinationDirectoryName, overwrite: false);
    }

    /// <summary>Moves or renames a file; a link is moved itself. Replacing is one step that a crash cannot split.</summary>
    /// <exception cref="FileNotFoundException">The source does not exist.</exception>
    /// <exception cref="DirectoryNotFoundException">There is no directory to hold the destination.</exception>
    /// <exception cref="IOException">The destination exists and may not be overwritten.</exception>
    /// <exception cref="UnauthorizedAccessException">One of them is a directory or immutable, or the volume is read-only.</exception>
    public override void MoveFile(string sourceName, string destinationName, bool overwrite)
    {
        using Place source = Find(sourceName, followLast: false);
        if (source.Inode!.IsDirectory)
        {
            throw new UnauthorizedAccessException($"'{sourceName}' is a directory: MoveDirectory moves it.");
        }
        using Place destination = WalkTo(destinationName, followLast: false);
        if (destination.Inode is { IsDirectory: true })
        {
            throw new UnauthorizedAccessException($"'{destinationName}' is a directory.");
        }
        Move(source, sourceName, destination, destinationName, overwrite);
    }

    private void Move(Place source, string sourcePath, Place destination, string destinationPath, bool overwrite)
    {
        RequireWritable(sourcePath);
        RequireName(destination, destinationPath);
        if (ReferenceEquals(source.Directory, destination.Directory) && source.Name.AsSpan().SequenceEqual(destination.Name))
        {
            return; // Onto itself.
        }
        if (overwrite && ReferenceEquals(source.Inode, destination.Inode))
        {
            // Two names of one file: rename(2) would leave both.
            Change(sourcePath, () => _volume.Unlink(source.Directory, source.Name));
            return;
        }
        try
        {
            _volume.Rename(source.Directory, source.Name, destination.Directory, destination.Name,
                overwrite ? RenameFlags.None : RenameFlags.NoReplace, _options.Caller);
        }
        catch (Ext4Exception e) when (e.Errno == Errno.EINVAL)
        {
            throw new IOException($"'{sourcePath}' cannot be moved into itself, to '{destinationPath}'.", e);
        }
        catch (Ext4Exception e)
        {
            throw FailureMap.Explain(e, e.Errno == Errno.EEXIST ? destinationPath : sourcePath, ReadOnlyReason);
        }
    }

    private static void RequireName(Place place, string path)
    {
        if (place.Name.Length == 0)
        {
            throw new IOException($"'{path}' is the root directory, which can be neither moved nor deleted.");
        }
    }

    private void Change(string path, Action change)
    {
        try
        {
            change();
        }
        catch (Ext4Exception e)
        {
            throw FailureMap.Explain(e, path, ReadOnlyReason);
        }
    }
}
