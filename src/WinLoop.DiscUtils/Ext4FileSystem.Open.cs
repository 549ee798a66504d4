using DiscUtils.Streams;
using WinLoop.Ext4;

namespace WinLoop.DiscUtils;

// Files as streams.
public sealed partial class Ext4FileSystem
{
    private const ushort NewFileMode = 0x1A4; // rw-r--r--

    /// <summary>Opens a file for reading and writing; an existing one of a read-only volume for reading.</summary>
    /// <inheritdoc cref="OpenFile(string, FileMode, FileAccess)"/>
    public override SparseStream OpenFile(string path, FileMode mode) =>
        OpenFile(path, mode, mode == FileMode.Open && !CanWrite ? FileAccess.Read : FileAccess.ReadWrite);

    /// <summary>Opens a file. Others may have it open too, as on Linux; with <see cref="FileMode.Append"/> the position is
    /// the end.</summary>
    /// <param name="path">Links are followed; one that leads to nothing is created where it leads.</param>
    /// <param name="mode">What may or must exist.</param>
    /// <param name="access">All modes but <see cref="FileMode.Open"/> and <see cref="FileMode.OpenOrCreate"/> need write.</param>
    /// <returns>A stream whose <see cref="Stream.Flush"/> is fsync and whose extents are the file's data. What is written
    /// is durable after Flush, or after Dispose of the file system.</returns>
    /// <exception cref="ArgumentException">Mode and access do not go together.</exception>
    /// <exception cref="FileNotFoundException">It does not exist.</exception>
    /// <exception cref="DirectoryNotFoundException">A directory of the path does not exist.</exception>
    /// <exception cref="UnauthorizedAccessException">It is a directory, it is immutable, or the volume is read-only.</exception>
    /// <exception cref="IOException">It exists (<see cref="FileMode.CreateNew"/>), or is a device, a FIFO or a socket.</exception>
    public override SparseStream OpenFile(string path, FileMode mode, FileAccess access)
    {
        RequireFitting(mode, access);
        if ((access & FileAccess.Write) != 0)
        {
            RequireWritable(path);
        }
        Inode inode = OpenInode(path, mode, out bool isNew);
        try
        {
            if (!isNew && mode is FileMode.Create or FileMode.Truncate)
            {
                Change(path, () => _volume.SetAttributes(inode, new AttributeChanges { Size = 0 }, _options.Caller));
            }
            return new Ext4FileStream(this, inode, path, access, _options.Caller, mode == FileMode.Append ? inode.Size : 0);
        }
        catch
        {
            _volume.Release(inode);
            throw;
        }
    }

    private Inode OpenInode(string path, FileMode mode, out bool isNew)
    {
        isNew = false;
        bool mayCreate = mode is FileMode.Create or FileMode.CreateNew or FileMode.OpenOrCreate or FileMode.Append;
        while (true)
        {
            using Place place = WalkTo(path, followLast: true);
            if (place.Exists)
            {
                if (mode == FileMode.CreateNew)
                {
                    throw new IOException($"'{path}' exists already.");
                }
                RequireFile(place.Inode!, path);
                return place.TakeInode();
            }
            if (!mayCreate)
            {
                throw FailureMap.MissingFile(path);
            }
            RequireWritable(path);
            try
            {
                Inode created = _volume.Create(place.Directory, place.Name, NewFileMode, 0, _options.Caller);
                isNew = true;
                return created;
            }
            catch (Ext4Exception e) when (e.Errno == Errno.EEXIST && mode != FileMode.CreateNew)
            {
                // Somebody else made it meanwhile: that is the one to open.
            }
            catch (Ext4Exception e)
            {
                throw FailureMap.Explain(e, path, ReadOnlyReason);
            }
        }
    }

    private static void RequireFitting(FileMode mode, FileAccess access)
    {
        if (mode is < FileMode.CreateNew or > FileMode.Append)
        {
            throw new ArgumentOutOfRangeException(nameof(mode), mode, "There is no such mode.");
        }
        if (access is < FileAccess.Read or > FileAccess.ReadWrite)
        {
            throw new ArgumentOutOfRangeException(nameof(access), access, "There is no such access.");
        }
        if ((access & FileAccess.Write) == 0 && mode is not FileMode.Open and not FileMode.OpenOrCreate)
        {
            throw new ArgumentException($"{mode} needs access to write.", nameof(access));
        }
    }
}
