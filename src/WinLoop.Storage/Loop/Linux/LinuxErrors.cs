namespace WinLoop.Storage.Linux;

/// <summary>From errno to <see cref="BlockDeviceException"/>; the system's own words stay in the message.</summary>
internal static class LinuxErrors
{
    /// <summary>For a transfer, flush or the like on an open file.</summary>
    internal static BlockDeviceException Transfer(int errno, string operation, string path)
    {
        BlockDeviceError error = errno switch
        {
            LibC.ENOSPC or LibC.EDQUOT => BlockDeviceError.NoSpace,
            LibC.EAGAIN => BlockDeviceError.Busy,
            LibC.EROFS or LibC.EPERM or LibC.EBADF => BlockDeviceError.ReadOnly,
            LibC.ENXIO or LibC.ENODEV or LibC.ENOMEDIUM or LibC.ESTALE => BlockDeviceError.Gone,
            _ => BlockDeviceError.Io,
        };
        return new BlockDeviceException(error, $"{operation} of {path} failed: {LibC.Describe(errno)} (errno {errno})");
    }

    /// <summary>For opening.</summary>
    internal static BlockDeviceException Open(int errno, string path, bool isReadOnly)
    {
        BlockDeviceError error = errno switch
        {
            LibC.ENOENT => BlockDeviceError.NotFound,
            LibC.EACCES or LibC.EPERM => BlockDeviceError.Denied,
            LibC.EROFS => BlockDeviceError.ReadOnly,
            LibC.EBUSY or LibC.ETXTBSY => BlockDeviceError.Busy,
            LibC.ENXIO or LibC.ENODEV or LibC.ENOMEDIUM or LibC.ESTALE => BlockDeviceError.Gone,
            _ => BlockDeviceError.Io,
        };
        return error == BlockDeviceError.Busy
            ? InUse(path, "it is mounted or used by another program")
            : new BlockDeviceException(error,
                $"{path} cannot be opened for {(isReadOnly ? "reading" : "writing")}: {LibC.Describe(errno)}");
    }

    /// <summary>Somebody else uses the image.</summary>
    internal static BlockDeviceException InUse(string path, string by) =>
        new(BlockDeviceError.Busy, $"{path} is in use: {by}");
}
