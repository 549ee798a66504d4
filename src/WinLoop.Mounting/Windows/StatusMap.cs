using WinLoop.Ext4;
using WinLoop.Storage;

namespace WinLoop.Mounting.Windows;

/// <summary>The one place where errors become statuses.</summary>
public static class StatusMap
{
    /// <summary>The status for an exception of the engine or the device. Never throws; what nobody expects is
    /// <see cref="NtStatus.UnexpectedIoError"/>.</summary>
    /// <remarks>An exception that only carries another one (<see cref="AggregateException"/> of a task) has that
    /// one's status.</remarks>
    public static NtStatus FromException(Exception exception) => exception switch
    {
        Ext4Exception e => FromErrno(e.Errno),
        Ext4CorruptException => NtStatus.FileCorrupt,
        Ext4NotSupportedException => NtStatus.NotSupported,
        BlockDeviceException e => FromDevice(e.Error),
        AggregateException { InnerExceptions: [var only] } => FromException(only),
        OutOfMemoryException => NtStatus.InsufficientResources,
        _ => NtStatus.UnexpectedIoError,
    };

    /// <summary>The status for an errno, as a file operation means it.</summary>
    public static NtStatus FromErrno(Errno errno) => errno switch
    {
        Errno.EPERM or Errno.EACCES => NtStatus.AccessDenied,
        Errno.ENOENT => NtStatus.ObjectNameNotFound,
        Errno.EIO => NtStatus.IoDeviceError,
        Errno.EBUSY => NtStatus.SharingViolation,
        Errno.EEXIST => NtStatus.ObjectNameCollision,
        Errno.EXDEV => NtStatus.NotSameDevice,
        Errno.ENOTDIR => NtStatus.NotADirectory,
        Errno.EISDIR => NtStatus.FileIsADirectory,
        Errno.EINVAL => NtStatus.InvalidParameter,

        // NTFS says "disk full" too for a file that grows past what the format can hold.
        Errno.EFBIG => NtStatus.DiskFull,
        Errno.ENOSPC or DiskQuotaExceeded => NtStatus.DiskFull,
        Errno.EROFS => NtStatus.MediaWriteProtected,
        Errno.EMLINK => NtStatus.TooManyLinks,
        Errno.ERANGE => NtStatus.BufferTooSmall,
        Errno.ENAMETOOLONG => NtStatus.ObjectNameInvalid,
        Errno.ENOTEMPTY => NtStatus.DirectoryNotEmpty,
        Errno.ENODATA => NtStatus.NonexistentEaEntry,
        Errno.EOPNOTSUPP => NtStatus.NotSupported,
        Errno.ESTALE => NtStatus.FileDeleted,
        Errno.EUCLEAN => NtStatus.FileCorrupt,
        Errno.ENXIO => NtStatus.EndOfFile,
        OutOfMemory => NtStatus.InsufficientResources,
        _ => NtStatus.UnexpectedIoError,
    };

    /// <summary>The status for a failure of the device below the volume.</summary>
    public static NtStatus FromDevice(BlockDeviceError error) => error switch
    {
        BlockDeviceError.ReadOnly => NtStatus.MediaWriteProtected,
        BlockDeviceError.NoSpace => NtStatus.DiskFull,
        BlockDeviceError.Gone or BlockDeviceError.NotFound => NtStatus.DeviceNotReady,
        BlockDeviceError.Busy => NtStatus.DeviceBusy,
        BlockDeviceError.Denied => NtStatus.AccessDenied,

        // A range that is not on the device: the image is shorter than its file system believes.
        BlockDeviceError.Io or BlockDeviceError.OutOfRange => NtStatus.IoDeviceError,
        _ => NtStatus.UnexpectedIoError,
    };

    // Linux's values of codes that the engine does not name.
    private const Errno OutOfMemory = (Errno)12, DiskQuotaExceeded = (Errno)122;
}
