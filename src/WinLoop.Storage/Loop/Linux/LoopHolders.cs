using System.Globalization;
using System.Runtime.InteropServices;

namespace WinLoop.Storage.Linux;

/// <summary>
/// The kernel's loop devices that back onto a file. The kernel neither takes nor respects a lock on the
/// files behind its loop devices, so this is the only way to see that a file is mounted by it.
/// </summary>
internal static unsafe class LoopHolders
{
    private const string SysBlock = "/sys/block";

    /// <summary>Finds a loop device whose range of the file meets the given one and that stands in the way.</summary>
    /// <param name="path">The file, for the case that a loop device cannot be asked.</param>
    /// <param name="device"><c>st_dev</c> of the file.</param>
    /// <param name="inode"><c>st_ino</c> of the file.</param>
    /// <param name="offset">First byte that is going to be used.</param>
    /// <param name="length">How many.</param>
    /// <param name="isReadOnly">True: only a loop device that is writable and in use stands in the way.</param>
    /// <param name="ignored">A device that never does, for example <c>/dev/loop3</c>.</param>
    /// <returns>For example <c>/dev/loop0</c>; null if there is none.</returns>
    internal static string? Find(
        string path, ulong device, ulong inode, long offset, long length, bool isReadOnly, string? ignored)
    {
        string[] directories;
        try
        {
            directories = Directory.GetDirectories(SysBlock, "loop*");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null; // no sysfs: nothing can be known
        }

        foreach (string directory in directories)
        {
            string node = "/dev/" + Path.GetFileName(directory);
            if (node == ignored || ReadLine(directory + "/loop/backing_file") is not { } backing)
            {
                continue; // not attached
            }

            if (!Backs(node, directory, backing, path, device, inode, out long start, out long limit) ||
                !Overlap(offset, length, start, limit))
            {
                continue;
            }

            if (isReadOnly && (ReadLine(directory + "/ro") == "1" || IsIdle(node)))
            {
                continue;
            }

            return node;
        }

        return null;
    }

    /// <summary>Asks a loop device what it is attached to.</summary>
    /// <param name="loop">The open device.</param>
    /// <param name="device"><c>st_dev</c> of the file.</param>
    /// <param name="inode"><c>st_ino</c> of the file.</param>
    /// <param name="start">First byte of the file that it shows.</param>
    /// <param name="limit">How many it shows; 0 for all.</param>
    internal static bool TryAsk(SafeFd loop, out ulong device, out ulong inode, out long start, out long limit)
    {
        LoopInfo64 info = default;
        bool isAnswered = LibC.ioctl(loop.Fd, LibC.LOOP_GET_STATUS64, &info) == 0;
        (device, inode, start, limit) = (info.Device, info.Inode, (long)info.Offset, (long)info.SizeLimit);
        return isAnswered;
    }

    private static bool Backs(
        string node, string directory, string backing, string path, ulong device, ulong inode, out long start, out long limit)
    {
        using (SafeFd? fd = SafeFd.TryOpen(node, LibC.O_RDONLY | LibC.O_NONBLOCK, out _))
        {
            if (fd is not null && TryAsk(fd, out ulong itsDevice, out ulong itsInode, out start, out limit))
            {
                return itsDevice == device && itsInode == inode;
            }
        }

        // Not allowed to ask it: compare what the path that sysfs tells leads to.
        start = ReadNumber(directory + "/loop/offset");
        limit = ReadNumber(directory + "/loop/sizelimit");
        LibC.StatX status;
        return backing == path ||
            (LibC.statx(LibC.AT_FDCWD, backing, 0, LibC.STATX_BASIC_STATS, &status) == 0 &&
                status.Device == device && status.Inode == inode);
    }

    private static bool Overlap(long offset, long length, long start, long limit)
    {
        long end = limit == 0 ? long.MaxValue : start + limit;
        return start < offset + length && offset < end;
    }

    /// <summary>True if nobody has claimed the device: it is attached and not mounted.</summary>
    private static bool IsIdle(string node)
    {
        using SafeFd? fd = SafeFd.TryOpen(node, LibC.O_RDONLY | LibC.O_EXCL | LibC.O_NONBLOCK, out _);
        return fd is not null;
    }

    private static long ReadNumber(string file) =>
        long.TryParse(ReadLine(file), NumberStyles.None, CultureInfo.InvariantCulture, out long value) ? value : 0;

    /// <summary>What a file of sysfs says; null if there is none.</summary>
    internal static string? ReadLine(string file)
    {
        // A loop device that is not attached has no such file; an exception for each is 5 ms of a mount.
        if (!File.Exists(file))
        {
            return null;
        }

        try
        {
            return File.ReadAllText(file).TrimEnd('\n');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary><c>struct loop_info64</c>, as far as it is used.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 232)]
    private struct LoopInfo64
    {
        [FieldOffset(0)] internal ulong Device;
        [FieldOffset(8)] internal ulong Inode;
        [FieldOffset(24)] internal ulong Offset;
        [FieldOffset(32)] internal ulong SizeLimit;
    }
}
