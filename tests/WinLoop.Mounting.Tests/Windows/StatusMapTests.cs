using WinLoop.Ext4;
using WinLoop.Mounting.Windows;
using WinLoop.Storage;

namespace WinLoop.Mounting.Tests.Windows;

public sealed class StatusMapTests
{
    [Theory]
    [InlineData(Errno.ENOSPC, NtStatus.DiskFull)]
    [InlineData((Errno)122, NtStatus.DiskFull)]
    [InlineData(Errno.EROFS, NtStatus.MediaWriteProtected)]
    [InlineData(Errno.EACCES, NtStatus.AccessDenied)]
    [InlineData(Errno.EPERM, NtStatus.AccessDenied)]
    [InlineData(Errno.ENAMETOOLONG, NtStatus.ObjectNameInvalid)]
    [InlineData(Errno.ENOENT, NtStatus.ObjectNameNotFound)]
    [InlineData(Errno.EEXIST, NtStatus.ObjectNameCollision)]
    [InlineData(Errno.ENOTEMPTY, NtStatus.DirectoryNotEmpty)]
    [InlineData(Errno.EIO, NtStatus.IoDeviceError)]
    [InlineData(Errno.EUCLEAN, NtStatus.FileCorrupt)]
    [InlineData(Errno.EBUSY, NtStatus.SharingViolation)]
    [InlineData((Errno)9999, NtStatus.UnexpectedIoError)]
    public void Errno_has_the_status_that_windows_programs_know(Errno errno, NtStatus expected) =>
        Assert.Equal(expected, StatusMap.FromException(new Ext4Exception(errno, "x")));

    [Fact]
    public void Every_code_of_the_engine_is_mapped()
    {
        foreach (Errno errno in Enum.GetValues<Errno>())
        {
            NtStatus status = StatusMap.FromErrno(errno);
            Assert.NotEqual(NtStatus.UnexpectedIoError, status);
            Assert.Equal(0xC0000000, (uint)status & 0xC0000000);
        }
        foreach (BlockDeviceError error in Enum.GetValues<BlockDeviceError>())
        {
            Assert.NotEqual(NtStatus.UnexpectedIoError, StatusMap.FromDevice(error));
        }
    }

    [Theory]
    [InlineData(BlockDeviceError.Io, NtStatus.IoDeviceError)]
    [InlineData(BlockDeviceError.NoSpace, NtStatus.DiskFull)]
    [InlineData(BlockDeviceError.Gone, NtStatus.DeviceNotReady)]
    [InlineData(BlockDeviceError.Busy, NtStatus.DeviceBusy)]
    [InlineData(BlockDeviceError.ReadOnly, NtStatus.MediaWriteProtected)]
    public void Device_failures_keep_their_kind(BlockDeviceError error, NtStatus expected) =>
        Assert.Equal(expected, StatusMap.FromException(new BlockDeviceException(error, "x")));

    [Fact]
    public void Other_exceptions()
    {
        Assert.Equal(NtStatus.FileCorrupt, StatusMap.FromException(new Ext4CorruptException("inode 12", "bad")));
        Assert.Equal(NtStatus.NotSupported, StatusMap.FromException(new Ext4NotSupportedException("encrypt", "no")));
        Assert.Equal(NtStatus.UnexpectedIoError, StatusMap.FromException(new InvalidOperationException()));
        Assert.Equal(NtStatus.InsufficientResources, StatusMap.FromException(new OutOfMemoryException()));
        Assert.Equal(NtStatus.DiskFull,
            StatusMap.FromException(new AggregateException(new Ext4Exception(Errno.ENOSPC, "x"))));
    }
}
