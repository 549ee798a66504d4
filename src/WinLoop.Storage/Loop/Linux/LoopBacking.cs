namespace WinLoop.Storage.Linux;

/// <summary>
/// The file behind a loop device that is used as an image. Two loop devices over one file, or the file itself and a loop
/// device over it, are the same image by another path, and the kernel lets both be opened. So whoever uses a loop device
/// shares the lock that a writer of the file takes for himself, and looks for other loop devices over the same bytes.
/// </summary>
internal static unsafe class LoopBacking
{
    /// <summary>Locks the file behind a loop device, or behind a partition of one.</summary>
    /// <param name="handle">The open block device.</param>
    /// <param name="status">Its status.</param>
    /// <param name="path">What it is called.</param>
    /// <param name="options">How it is opened.</param>
    /// <returns>Holds the lock; null if there is no such file, or it cannot be reached.</returns>
    /// <exception cref="BlockDeviceException">Busy: the file is in use by another path.</exception>
    internal static SafeFd? Lock(SafeFd handle, in LibC.StatX status, string path, LoopDeviceOptions options)
    {
        if (DirectoryOf(status) is not { } directory || LoopHolders.ReadLine(directory + "/loop/backing_file") is not { } file)
        {
            return null;
        }

        string node = "/dev/" + Path.GetFileName(directory);
        using SafeFd? whole = SafeFd.TryOpen(node, LibC.O_RDONLY | LibC.O_NONBLOCK, out _);
        if (!LoopHolders.TryAsk(whole ?? handle, out ulong device, out ulong inode, out long offset, out long limit))
        {
            return null;
        }

        long length = limit > 0 ? limit : long.MaxValue - offset;
        if (LoopHolders.Find(file, device, inode, offset, length, options.IsReadOnly, node) is { } other)
        {
            throw LinuxErrors.InUse(path, $"{file}, which is behind it, is attached to {other} too; detach that first (losetup -d {other})");
        }

        SafeFd? backing = SafeFd.TryOpen(file, LibC.O_RDONLY, out _);
        if (backing is null)
        {
            return null; // deleted, or of another mount namespace
        }

        if (LibC.FileStatus(backing.Fd, out LibC.StatX found) != 0 || found.Device != device || found.Inode != inode || !found.IsRegularFile)
        {
            backing.Dispose(); // the name leads to another file by now
            return null;
        }

        // See LinuxBackingFile.Lock: a short wait tells a lock from its shadow in a child process.
        for (int patience = 10; LibC.flock(backing.Fd, LibC.LOCK_SH | LibC.LOCK_NB) != 0; patience--)
        {
            int errno = System.Runtime.InteropServices.Marshal.GetLastPInvokeError();
            if (errno == LibC.EAGAIN && patience == 0)
            {
                backing.Dispose();
                throw LinuxErrors.InUse(path, $"{file}, which is behind it, is locked by another program");
            }

            if (errno is not (LibC.EAGAIN or LibC.EINTR))
            {
                break; // a file system without locks
            }

            Thread.Sleep(5);
        }

        return backing;
    }

    // For example /sys/devices/virtual/block/loop0; a partition's directory is inside its device's.
    private static string? DirectoryOf(in LibC.StatX status)
    {
        try
        {
            string link = $"/sys/dev/block/{status.RealDeviceMajor}:{status.RealDeviceMinor}";
            if (Directory.ResolveLinkTarget(link, returnFinalTarget: true)?.FullName is not { } directory)
            {
                return null;
            }

            return File.Exists(directory + "/partition") ? Path.GetDirectoryName(directory) : directory;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null; // no sysfs: nothing can be known
        }
    }
}
