namespace WinLoop.Ext4;

/// <summary>The errno-like codes of <see cref="Ext4Exception"/>; the values are Linux's (asm-generic).</summary>
public enum Errno
{
    /// <summary>Operation not permitted (immutable, append-only).</summary>
    EPERM = 1,
    /// <summary>No such file or directory.</summary>
    ENOENT = 2,
    /// <summary>The device failed.</summary>
    EIO = 5,
    /// <summary>Permission denied.</summary>
    EACCES = 13,
    /// <summary>Busy.</summary>
    EBUSY = 16,
    /// <summary>The name exists.</summary>
    EEXIST = 17,
    /// <summary>Not in the same volume or project.</summary>
    EXDEV = 18,
    /// <summary>Not a directory.</summary>
    ENOTDIR = 20,
    /// <summary>Is a directory.</summary>
    EISDIR = 21,
    /// <summary>Invalid argument.</summary>
    EINVAL = 22,
    /// <summary>Larger than the format allows.</summary>
    EFBIG = 27,
    /// <summary>No free blocks or inodes.</summary>
    ENOSPC = 28,
    /// <summary>The volume does not accept writes.</summary>
    EROFS = 30,
    /// <summary>Too many hard links.</summary>
    EMLINK = 31,
    /// <summary>The answer does not fit the buffer.</summary>
    ERANGE = 34,
    /// <summary>A name of more than 255 bytes.</summary>
    ENAMETOOLONG = 36,
    /// <summary>The directory is not empty.</summary>
    ENOTEMPTY = 39,
    /// <summary>No such extended attribute.</summary>
    ENODATA = 61,
    /// <summary>The operation is not supported for this object.</summary>
    EOPNOTSUPP = 95,
    /// <summary>The inode is gone.</summary>
    ESTALE = 116,
    /// <summary>The file system is damaged.</summary>
    EUCLEAN = 117,
    /// <summary>No data or hole at or after the offset.</summary>
    ENXIO = 6,
}

/// <summary>The caller's mistake, a full volume or a failing device; the volume is as it was.</summary>
public sealed class Ext4Exception(Errno errno, string message) : IOException(message)
{
    /// <summary>The code a POSIX caller gets.</summary>
    public Errno Errno { get; } = errno;

    internal Ext4Exception(Errno errno) : this(errno, errno.ToString()) { }
}

/// <summary>The volume uses something that this engine does not support. Nothing was changed.</summary>
public sealed class Ext4NotSupportedException(string feature, string message) : IOException(message)
{
    /// <summary>The feature's name as mke2fs writes it, for example <c>encrypt</c>.</summary>
    public string Feature { get; } = feature;
}

/// <summary>A structure on the volume contradicts the format.</summary>
public sealed class Ext4CorruptException(string where, string what) : IOException($"{where}: {what}")
{
    /// <summary>The structure, for example <c>inode 12, extent block 8193</c>.</summary>
    public string Where { get; } = where;

    /// <summary>What is wrong with it.</summary>
    public string What { get; } = what;
}
