using System.Runtime.InteropServices;

namespace WinLoop.Storage.Linux;

/// <summary>A file or block device by system calls: pread, pwrite, fdatasync, fallocate, the BLK ioctls.</summary>
internal sealed unsafe class LinuxBackingFile : BackingFile
{
    /// <summary>Fits every logical sector size there is; direct transfers are aligned to it in memory and in the file.</summary>
    private const int DirectAlignment = 4096;

    /// <summary>What one system call is asked for at most; the kernel's own limit is little below 2 GiB.</summary>
    private const long MaxTransfer = 1 << 30;

    private const int ClaimAttempts = 4;

    private static readonly int PageSize = Environment.SystemPageSize;

    private readonly SafeFd _handle;
    private readonly SafeFd? _direct;
    // The file behind a loop device, for its lock.
    private readonly SafeFd? _behind;
    private readonly bool _isBlockDevice;
    private readonly int _fd;
    private SafeFd? _claim;
    private volatile bool _cannotPunch;
    private volatile bool _cannotZeroRange;

    private LinuxBackingFile(string path, SafeFd handle, SafeFd? claim, SafeFd? behind, LibC.StatX status, LoopDeviceOptions options)
    {
        _behind = behind;
        Path = path;
        _handle = handle;
        _claim = claim;
        _fd = handle.Fd;
        _isBlockDevice = status.IsBlockDevice;
        Identity = IdentityOf(status);
        int size;
        SectorSize = _isBlockDevice && LibC.ioctl(_fd, LibC.BLKSSZGET, &size) == 0 ? size : 512;
        if (options.DirectIo)
        {
            // The same file, whatever happened to its name. tmpfs and others cannot: then it is not direct.
            _direct = SafeFd.TryOpen($"/proc/self/fd/{_fd}",
                (options.IsReadOnly ? LibC.O_RDONLY : LibC.O_RDWR) | LibC.O_DIRECT, out _);
        }
    }

    /// <inheritdoc/>
    internal override string Path { get; }

    /// <inheritdoc/>
    internal override ImageIdentity Identity { get; }

    /// <inheritdoc/>
    internal override bool IsDirectIo => _direct is not null;

    /// <inheritdoc/>
    internal override int SectorSize { get; }

    internal override string? DescriptorPath => $"/proc/self/fd/{_fd}";

    /// <summary>Opens and locks a file or block device.</summary>
    internal static LinuxBackingFile Open(string path, LoopDeviceOptions options) => Open(path, path, options);

    /// <summary>
    /// Opens anew what a descriptor leads to, for no more than the descriptor is open for. Whoever has passed it shares
    /// its file offset, flags and lock with us; O_APPEND alone, set later, would send every write to the end of the file.
    /// </summary>
    internal static LinuxBackingFile TakeOver(SafeHandle descriptor, string path, LoopDeviceOptions options)
    {
        int fd = (int)descriptor.DangerousGetHandle();
        int flags = LibC.fcntl(fd, LibC.F_GETFL, 0);
        if (flags < 0 || (flags & LibC.O_PATH) != 0 || (flags & LibC.O_ACCMODE) == LibC.O_WRONLY)
        {
            throw new BlockDeviceException(BlockDeviceError.Denied, $"{path} was not opened for reading");
        }

        if (!options.IsReadOnly && (flags & LibC.O_ACCMODE) != LibC.O_RDWR)
        {
            throw new BlockDeviceException(BlockDeviceError.Denied, $"{path} was not opened for writing");
        }

        return Open($"/proc/self/fd/{fd}", path, options);
    }

    /// <summary>Opens what <paramref name="location"/> leads to; <paramref name="path"/> is what it is called.</summary>
    private static LinuxBackingFile Open(string location, string path, LoopDeviceOptions options)
    {
        LibC.StatX status = StatusOf(location);
        if (!status.IsRegularFile && !status.IsBlockDevice)
        {
            throw new BlockDeviceException(BlockDeviceError.NotFound,
                status.IsDirectory ? $"{path} is a directory" : $"{path} is neither a file nor a block device");
        }

        int access = options.IsReadOnly ? LibC.O_RDONLY : LibC.O_RDWR;
        SafeFd? claim = null;
        if (status.IsBlockDevice && !options.IsShared)
        {
            // The claim is a descriptor of its own, so that it can be given up without closing the device.
            claim = Claim(location, access, options);
        }

        SafeFd handle = SafeFd.TryOpen(location, access, out int errno) ?? throw Failed(claim, errno, path, options);
        SafeFd? behind = null;
        try
        {
            errno = LibC.FileStatus(handle.Fd, out status);
            if (errno != 0)
            {
                throw LinuxErrors.Open(errno, path, options.IsReadOnly);
            }

            if (status.IsBlockDevice)
            {
                int isReadOnly;
                if (!options.IsReadOnly && LibC.ioctl(handle.Fd, LibC.BLKROGET, &isReadOnly) == 0 && isReadOnly != 0)
                {
                    throw LinuxErrors.Open(LibC.EROFS, path, isReadOnly: false);
                }

                behind = options.IsShared ? null : LoopBacking.Lock(handle, status, path, options);
            }
            else if (!options.IsShared)
            {
                Lock(handle, path, status, options);
            }

            return new LinuxBackingFile(path, handle, claim, behind, status, options);
        }
        catch
        {
            behind?.Dispose();
            claim?.Dispose();
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Makes durable which files a directory has. Where the system cannot, nothing is lost but that.</summary>
    internal static void FlushDirectory(string path)
    {
        using SafeFd? directory = SafeFd.TryOpen(path, LibC.O_RDONLY, out _);
        if (directory is not null)
        {
            _ = LibC.fdatasync(directory.Fd);
        }
    }

    /// <summary>The identity of what a path leads to.</summary>
    internal static ImageIdentity IdentityOf(string path) => IdentityOf(StatusOf(path));

    /// <inheritdoc/>
    internal override long GetLength()
    {
        if (_isBlockDevice)
        {
            long bytes;
            return LibC.ioctl(_fd, LibC.BLKGETSIZE64, &bytes) == 0
                ? bytes
                : throw LinuxErrors.Transfer(Marshal.GetLastPInvokeError(), "asking the size", Path);
        }

        int errno = LibC.FileStatus(_fd, out LibC.StatX status);
        return errno == 0 ? status.Size : throw LinuxErrors.Transfer(errno, "asking the size", Path);
    }

    /// <inheritdoc/>
    internal override long GetModifiedTicks()
    {
        int errno = LibC.FileStatus(_fd, out LibC.StatX status);
        return errno != 0 ? throw LinuxErrors.Transfer(errno, "asking the time", Path)
            : _isBlockDevice ? 0
            // A time that no calendar has is as good for telling a change as any other.
            : unchecked(DateTime.UnixEpoch.Ticks + (status.ModifiedSeconds * TimeSpan.TicksPerSecond) + (status.ModifiedNanoseconds / 100));
    }

    /// <inheritdoc/>
    internal override bool CanResize => !_isBlockDevice;

    /// <inheritdoc/>
    internal override void SetLength(long length)
    {
        while (LibC.ftruncate(_fd, length) != 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            if (errno != LibC.EINTR)
            {
                throw LinuxErrors.Transfer(errno, $"setting the size to {length} bytes", Path);
            }
        }
    }

    /// <inheritdoc/>
    internal override bool IsUnlinked() =>
        !_isBlockDevice && LibC.FileStatus(_fd, out LibC.StatX status) == 0 && status.LinkCount == 0;

    /// <inheritdoc/>
    internal override long Read(byte* buffer, long length, long offset)
    {
        if (_direct is not null && IsAligned(offset) && IsAligned(length))
        {
            return IsAligned((long)buffer)
                ? Read(_direct.Fd, buffer, length, offset)
                : ReadBounced(_direct.Fd, buffer, length, offset);
        }

        return Read(_fd, buffer, length, offset);
    }

    /// <inheritdoc/>
    internal override void Write(byte* buffer, long length, long offset)
    {
        // A part of a block goes through the page cache: there two neighbours can be written at once
        // without a lock, and the kernel keeps it coherent with direct transfers.
        if (_direct is not null && IsAligned(offset) && IsAligned(length))
        {
            if (IsAligned((long)buffer))
            {
                Write(_direct.Fd, buffer, length, offset);
            }
            else
            {
                WriteBounced(_direct.Fd, buffer, length, offset);
            }

            return;
        }

        Write(_fd, buffer, length, offset);
    }

    /// <inheritdoc/>
    internal override void Flush()
    {
        while (LibC.fdatasync(_fd) != 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            if (errno != LibC.EINTR)
            {
                throw LinuxErrors.Transfer(errno, "flush", Path);
            }
        }
    }

    /// <inheritdoc/>
    internal override void Prefetch(long offset, long length) =>
        _ = LibC.posix_fadvise(_fd, offset, length, LibC.POSIX_FADV_WILLNEED);

    /// <inheritdoc/>
    internal override long ZeroRun(long offset, long length)
    {
        if (_isBlockDevice)
        {
            return 0;
        }

        long data = LibC.lseek(_fd, offset, LibC.SEEK_DATA);
        return data >= 0 ? Math.Min(data - offset, length)
            : Marshal.GetLastPInvokeError() == LibC.ENXIO ? length // nothing but a hole up to the end
            : 0;
    }

    /// <inheritdoc/>
    internal override void Forget(long offset, long length)
    {
        // Whole pages only: the kernel keeps one of which a part is named.
        long start = offset / PageSize * PageSize;
        long end = (offset + length + PageSize - 1) / PageSize * PageSize;
        _ = LibC.posix_fadvise(_fd, start, end - start, LibC.POSIX_FADV_DONTNEED);
    }

    internal override void Discard(long offset, long length)
    {
        if (_isBlockDevice)
        {
            if (!_cannotPunch && Shrink(ref offset, ref length) && !TryRangeIoctl(LibC.BLKDISCARD, offset, length))
            {
                _cannotPunch = true;
            }
        }
        else if (!_cannotPunch && !TryFallocate(LibC.FALLOC_FL_PUNCH_HOLE, offset, length))
        {
            _cannotPunch = true;
        }
    }

    /// <inheritdoc/>
    internal override bool TryZero(long offset, long length)
    {
        if (_isBlockDevice)
        {
            return !_cannotZeroRange && offset % SectorSize == 0 && length % SectorSize == 0 &&
                (TryRangeIoctl(LibC.BLKZEROOUT, offset, length) || !(_cannotZeroRange = true));
        }

        return (!_cannotPunch && (TryFallocate(LibC.FALLOC_FL_PUNCH_HOLE, offset, length) || !(_cannotPunch = true))) ||
            (!_cannotZeroRange && (TryFallocate(LibC.FALLOC_FL_ZERO_RANGE, offset, length) || !(_cannotZeroRange = true)));
    }

    /// <inheritdoc/>
    internal override void ReleaseClaim() => Interlocked.Exchange(ref _claim, null)?.Dispose();

    /// <inheritdoc/>
    internal override bool TryClaim()
    {
        if (!_isBlockDevice || _claim is not null)
        {
            return true;
        }

        _claim = SafeFd.TryOpen($"/proc/self/fd/{_fd}", LibC.O_RDONLY | LibC.O_EXCL, out _);
        return _claim is not null;
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        ReleaseClaim();
        _direct?.Dispose();
        if (_behind is not null)
        {
            LibC.flock(_behind.Fd, LibC.LOCK_UN);
            _behind.Dispose();
        }

        if (!_isBlockDevice)
        {
            // A child process between fork and exec holds copies of all descriptors, and with them the lock:
            // closing alone would not give it up until then.
            LibC.flock(_fd, LibC.LOCK_UN);
        }

        _handle.Dispose();
    }

    private static bool IsAligned(long value) => (value & (DirectAlignment - 1)) == 0;

    /// <summary>Claims a block device for this process alone.</summary>
    private static SafeFd Claim(string path, int access, LoopDeviceOptions options)
    {
        for (int attempt = 1; ; attempt++)
        {
            SafeFd? claim = SafeFd.TryOpen(path, access | LibC.O_EXCL, out int errno);
            if (claim is not null)
            {
                return claim;
            }

            // A claim that was given up just now lives on in a child process until that has called exec.
            if (errno != LibC.EBUSY || attempt == ClaimAttempts)
            {
                throw LinuxErrors.Open(errno, path, options.IsReadOnly);
            }

            Thread.Sleep(10);
        }
    }

    private static BlockDeviceException Failed(SafeFd? claim, int errno, string path, LoopDeviceOptions options)
    {
        claim?.Dispose();
        return LinuxErrors.Open(errno, path, options.IsReadOnly);
    }

    private static LibC.StatX StatusOf(string path)
    {
        LibC.StatX status;
        return LibC.statx(LibC.AT_FDCWD, path, 0, LibC.STATX_BASIC_STATS, &status) == 0
            ? status
            : throw LinuxErrors.Open(Marshal.GetLastPInvokeError(), path, isReadOnly: true);
    }

    private static ImageIdentity IdentityOf(in LibC.StatX status) => status.IsBlockDevice
        ? new ImageIdentity(true, 0, status.RealDevice)
        : new ImageIdentity(false, status.Device, status.Inode);

    /// <summary>Locks against other WinLoops (and whoever respects flock), and looks for the kernel's loop devices.</summary>
    private static void Lock(SafeFd handle, string path, in LibC.StatX status, LoopDeviceOptions options)
    {
        int operation = (options.IsReadOnly ? LibC.LOCK_SH : LibC.LOCK_EX) | LibC.LOCK_NB;
        // A child that another thread is starting keeps a lock that was given up until it has become its
        // program; so a short wait tells a lock from its shadow.
        int patience = 10;
        while (LibC.flock(handle.Fd, operation) != 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            if (errno == LibC.EAGAIN && patience-- > 0)
            {
                Thread.Sleep(5);
                continue;
            }

            if (errno == LibC.EAGAIN)
            {
                throw LinuxErrors.InUse(path, options.IsReadOnly
                    ? "another program has it open for writing"
                    : "another program has it locked");
            }

            if (errno != LibC.EINTR)
            {
                break; // a file system without locks
            }
        }

        long length = options.SizeLimit > 0 ? options.SizeLimit : long.MaxValue - options.Offset;
        string? holder = LoopHolders.Find(
            path, status.Device, status.Inode, options.Offset, length, options.IsReadOnly, options.HolderLoopDevice);
        if (holder is not null)
        {
            throw LinuxErrors.InUse(path,
                $"it is attached to {holder}; unmount that first (umount {holder}, losetup -d {holder})");
        }
    }

    private long Read(int fd, byte* buffer, long length, long offset)
    {
        long done = 0;
        while (done < length)
        {
            nint count = LibC.pread(fd, buffer + done, (nint)Math.Min(length - done, MaxTransfer), offset + done);
            if (count > 0)
            {
                done += count;
            }
            else if (count == 0)
            {
                break;
            }
            else
            {
                int errno = Marshal.GetLastPInvokeError();
                if (errno != LibC.EINTR)
                {
                    throw LinuxErrors.Transfer(errno, $"read of {length} bytes at {offset}", Path);
                }
            }
        }

        return done;
    }

    private void Write(int fd, byte* buffer, long length, long offset)
    {
        long done = 0;
        while (done < length)
        {
            nint count = LibC.pwrite(fd, buffer + done, (nint)Math.Min(length - done, MaxTransfer), offset + done);
            if (count > 0)
            {
                done += count;
                continue;
            }

            int errno = count == 0 ? LibC.EIO : Marshal.GetLastPInvokeError();
            if (errno != LibC.EINTR)
            {
                throw LinuxErrors.Transfer(errno, $"write of {length} bytes at {offset}", Path);
            }
        }
    }

    private long ReadBounced(int fd, byte* buffer, long length, long offset)
    {
        long done = 0;
        while (done < length)
        {
            long part = Math.Min(length - done, BounceBuffer.Size);
            byte* bounce = BounceBuffer.Get();
            long count = Read(fd, bounce, part, offset + done);
            Buffer.MemoryCopy(bounce, buffer + done, length - done, count);
            done += count;
            if (count < part)
            {
                break;
            }
        }

        return done;
    }

    private void WriteBounced(int fd, byte* buffer, long length, long offset)
    {
        for (long done = 0; done < length; done += BounceBuffer.Size)
        {
            long part = Math.Min(length - done, BounceBuffer.Size);
            byte* bounce = BounceBuffer.Get();
            Buffer.MemoryCopy(buffer + done, bounce, BounceBuffer.Size, part);
            Write(fd, bounce, part, offset + done);
        }
    }

    /// <returns>False if this file system cannot do it.</returns>
    private bool TryFallocate(int mode, long offset, long length)
    {
        while (LibC.fallocate(_fd, mode | LibC.FALLOC_FL_KEEP_SIZE, offset, length) != 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            switch (errno)
            {
                case LibC.EINTR:
                    continue;
                case LibC.EOPNOTSUPP or LibC.ENOSYS or LibC.EINVAL:
                    return false;
                default:
                    throw LinuxErrors.Transfer(errno, $"fallocate of {length} bytes at {offset}", Path);
            }
        }

        return true;
    }

    /// <returns>False if this device cannot do it.</returns>
    private bool TryRangeIoctl(nuint request, long offset, long length)
    {
        ulong* range = stackalloc ulong[2] { (ulong)offset, (ulong)length };
        while (LibC.ioctl(_fd, request, range) != 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            switch (errno)
            {
                case LibC.EINTR:
                    continue;
                case LibC.EOPNOTSUPP or LibC.ENOTTY or LibC.EINVAL:
                    return false;
                default:
                    throw LinuxErrors.Transfer(errno, $"discard or zeroing of {length} bytes at {offset}", Path);
            }
        }

        return true;
    }

    /// <summary>Cuts a range to whole sectors inside it.</summary>
    private bool Shrink(ref long offset, ref long length)
    {
        long end = (offset + length) / SectorSize * SectorSize;
        offset = (offset + SectorSize - 1) / SectorSize * SectorSize;
        length = end - offset;
        return length > 0;
    }
}
