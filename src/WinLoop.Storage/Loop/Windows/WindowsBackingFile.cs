using System.Runtime.InteropServices;

namespace WinLoop.Storage.Windows;

/// <summary>
/// A file or physical drive by Win32: one handle opened for overlapped I/O, on which any number of threads
/// read and write at once, each with an event of its own (a synchronous handle would serialise them).
/// </summary>
/// <remarks>Direct I/O is not offered: <see cref="IsDirectIo"/> is false.</remarks>
internal sealed unsafe class WindowsBackingFile : BackingFile
{
    /// <summary>What one call is asked for at most.</summary>
    private const long MaxTransfer = 1 << 30;

    private const string DevicePrefix = @"\\.\";

    [ThreadStatic]
    private static SafeWin32Handle? t_event;

    private readonly SafeWin32Handle _file;
    private readonly bool _isDrive;
    private readonly bool _isSparse;
    private readonly nint _handle;

    private WindowsBackingFile(string path, SafeWin32Handle file)
    {
        Path = path;
        _file = file;
        _handle = file.Value;
        _isDrive = IsDrive(path);
        SectorSize = _isDrive ? AskSectorSize() : 512;
        Identity = IdentityOf(file, path);
        Kernel32.ByHandleInformation information;
        _isSparse = !_isDrive && Kernel32.GetFileInformationByHandle(_handle, &information) != 0 &&
            (information.Attributes & Kernel32.FILE_ATTRIBUTE_SPARSE_FILE) != 0;
    }

    /// <inheritdoc/>
    internal override string Path { get; }

    /// <inheritdoc/>
    internal override ImageIdentity Identity { get; }

    /// <inheritdoc/>
    internal override bool IsDirectIo => false;

    /// <inheritdoc/>
    internal override int SectorSize { get; }

    /// <summary>Opens with share modes that keep other writers out, and for a writable one everybody.</summary>
    internal static BackingFile Open(string path, LoopDeviceOptions options)
    {
        return IsDrive(path) ? OpenDrive(path, options, new WindowsDisks()) : OpenFile(path, options);
    }

    /// <summary>Opens a disk or volume; for writing, what is mounted from it is taken from Windows first.</summary>
    private static SectorFile OpenDrive(string path, LoopDeviceOptions options, IWindowsDisks disks)
    {
        if (options.IsReadOnly)
        {
            return new SectorFile(OpenFile(path, options));
        }

        Mutex name = TakeName(path);
        DriveClaim? claim = null;
        WindowsBackingFile? file = null;
        try
        {
            claim = DriveClaim.Take(path, disks);
            file = OpenFile(path, options);
            file.RequireWritable();
            if (!DriveClaim.IsDisk(path))
            {
                file.LockAndDismount();
            }

            return new SectorFile(file, claim, name);
        }
        catch
        {
            file?.Dispose();
            claim?.Dispose();
            name.Dispose();
            throw;
        }
    }

    /// <summary>Windows lets two programs write to one disk; two of us do not.</summary>
    private static Mutex TakeName(string path)
    {
        Mutex? name = null;
        bool isNew = false;
        try
        {
            name = new Mutex(false, @"Global\WinLoop-" + path[DevicePrefix.Length..].ToUpperInvariant().Replace('\\', '-'), out isNew);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException or WaitHandleCannotBeOpenedException)
        {
            // It is there, and another user's.
        }

        if (isNew)
        {
            return name!;
        }

        name?.Dispose();
        throw new BlockDeviceException(BlockDeviceError.Busy, $"{path} is in use: WinLoop has it open for writing");
    }

    private static WindowsBackingFile OpenFile(string path, LoopDeviceOptions options)
    {
        uint access = Kernel32.GENERIC_READ | (options.IsReadOnly ? 0 : Kernel32.GENERIC_WRITE);
        // A drive is shared always: its partitions' volumes are open in Windows itself.
        uint share = IsDrive(path) || options.IsShared ? Kernel32.FILE_SHARE_READ | Kernel32.FILE_SHARE_WRITE
            : options.IsReadOnly ? Kernel32.FILE_SHARE_READ : 0;
        SafeWin32Handle file = OpenHandle(path, access, share, Kernel32.FILE_FLAG_OVERLAPPED, options.IsReadOnly);
        try
        {
            return new WindowsBackingFile(path, file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Takes over a handle that was opened for overlapped I/O.</summary>
    internal static WindowsBackingFile TakeOver(SafeHandle handle, string path)
    {
        if (IsDrive(path))
        {
            throw new BlockDeviceException(BlockDeviceError.Denied, $"{path} is a drive: only its user's own process opens it");
        }

        nint value = handle.DangerousGetHandle();
        handle.SetHandleAsInvalid();
        var file = new SafeWin32Handle(value);
        try
        {
            return new WindowsBackingFile(path, file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Makes an empty file one whose holes take no space, where its file system has such files.</summary>
    internal static void MakeSparse(string path)
    {
        using SafeWin32Handle file = OpenHandle(path, Kernel32.GENERIC_READ | Kernel32.GENERIC_WRITE, 0, 0, isReadOnly: false);
        uint done;
        // FAT and exFAT cannot: there the file takes the space of the whole image.
        _ = Kernel32.DeviceIoControl(file.Value, Kernel32.FSCTL_SET_SPARSE, null, 0, null, 0, &done, null);
    }

    /// <summary>The identity of what a path leads to.</summary>
    internal static ImageIdentity IdentityOf(string path)
    {
        using SafeWin32Handle file = OpenHandle(path, Kernel32.FILE_READ_ATTRIBUTES,
            Kernel32.FILE_SHARE_READ | Kernel32.FILE_SHARE_WRITE | Kernel32.FILE_SHARE_DELETE,
            Kernel32.FILE_FLAG_BACKUP_SEMANTICS, isReadOnly: true);
        return IdentityOf(file, path);
    }

    /// <inheritdoc/>
    internal override long GetLength()
    {
        if (_isDrive)
        {
            long bytes;
            Control(Kernel32.IOCTL_DISK_GET_LENGTH_INFO, null, 0, &bytes, sizeof(long), "asking the size");
            return bytes;
        }

        return StandardInformation().EndOfFile;
    }

    /// <inheritdoc/>
    internal override long GetModifiedTicks()
    {
        if (_isDrive)
        {
            return 0;
        }

        Kernel32.ByHandleInformation information;
        return Kernel32.GetFileInformationByHandle(_handle, &information) != 0
            // FILETIME counts from 1601.
            ? unchecked(new DateTime(1601, 1, 1).Ticks + (((long)information.WriteHigh << 32) | information.WriteLow))
            : throw WindowsErrors.Transfer(Marshal.GetLastPInvokeError(), "asking the time", Path);
    }

    /// <inheritdoc/>
    internal override bool CanResize => !_isDrive;

    /// <inheritdoc/>
    internal override void SetLength(long length)
    {
        if (Kernel32.SetFileInformationByHandle(_handle, Kernel32.FileEndOfFileInfo, &length, sizeof(long)) == 0)
        {
            throw WindowsErrors.Transfer(Marshal.GetLastPInvokeError(), $"setting the size to {length} bytes", Path);
        }
    }

    /// <inheritdoc/>
    internal override bool IsUnlinked()
    {
        if (_isDrive)
        {
            return false;
        }

        Kernel32.StandardInformation information = StandardInformation();
        return information.DeletePending != 0 || information.NumberOfLinks == 0;
    }

    /// <inheritdoc/>
    internal override long Read(byte* buffer, long length, long offset)
    {
        long done = 0;
        while (done < length)
        {
            Kernel32.Overlapped overlapped = Position(offset + done);
            uint count = 0;
            int ok = Kernel32.ReadFile(_handle, buffer + done, (uint)Math.Min(length - done, MaxTransfer), null, &overlapped);
            int code = Finish(ok, &overlapped, &count);
            if (code == Kernel32.ERROR_HANDLE_EOF || (code == 0 && count == 0))
            {
                break;
            }

            if (code != 0)
            {
                throw WindowsErrors.Transfer(code, $"read of {length} bytes at {offset}", Path);
            }

            done += count;
        }

        return done;
    }

    /// <inheritdoc/>
    internal override void Write(byte* buffer, long length, long offset)
    {
        long done = 0;
        while (done < length)
        {
            Kernel32.Overlapped overlapped = Position(offset + done);
            uint count = 0;
            int ok = Kernel32.WriteFile(_handle, buffer + done, (uint)Math.Min(length - done, MaxTransfer), null, &overlapped);
            int code = Finish(ok, &overlapped, &count);
            if (code != 0)
            {
                throw WindowsErrors.Transfer(code, $"write of {length} bytes at {offset}", Path);
            }

            if (count == 0)
            {
                throw new BlockDeviceException(BlockDeviceError.Io, $"write of {length} bytes at {offset} of {Path} stopped after {done}");
            }

            done += count;
        }
    }

    /// <inheritdoc/>
    internal override void Flush()
    {
        if (Kernel32.FlushFileBuffers(_handle) == 0)
        {
            throw WindowsErrors.Transfer(Marshal.GetLastPInvokeError(), "flush", Path);
        }
    }

    /// <inheritdoc/>
    internal override void Discard(long offset, long length)
    {
        // In a file that is not sparse this would write zeroes and free nothing.
        if (_isSparse)
        {
            TryZero(offset, length);
        }
    }

    /// <inheritdoc/>
    internal override bool TryZero(long offset, long length)
    {
        if (!_isSparse)
        {
            return false;
        }

        // FILE_ZERO_DATA_INFORMATION: first byte, and the first byte behind.
        long* range = stackalloc long[2] { offset, offset + length };
        Control(Kernel32.FSCTL_SET_ZERO_DATA, range, 2 * sizeof(long), null, 0, $"zeroing of {length} bytes at {offset}");
        return true;
    }

    /// <inheritdoc/>
    internal override long ZeroRun(long offset, long length)
    {
        if (!_isSparse)
        {
            return 0;
        }

        // FILE_ALLOCATED_RANGE_BUFFER: first byte and length, asked and answered.
        long* asked = stackalloc long[2] { offset, length };
        long* range = stackalloc long[2];
        uint size = 2 * sizeof(long), count = 0;
        Kernel32.Overlapped overlapped = Position(0);
        int ok = Kernel32.DeviceIoControl(_handle, Kernel32.FSCTL_QUERY_ALLOCATED_RANGES, asked, size, range, size, null, &overlapped);
        int error = Finish(ok, &overlapped, &count);
        return error is not (0 or Kernel32.ERROR_MORE_DATA) ? 0
            : count == 0 && error == 0 ? length
            : Math.Clamp(range[0] - offset, 0, length);
    }

    /// <inheritdoc/>
    public override void Dispose() => _file.Dispose();

    /// <summary>A card's switch, or the attribute of a disk.</summary>
    private void RequireWritable()
    {
        Kernel32.Overlapped overlapped = Position(0);
        uint count;
        int ok = Kernel32.DeviceIoControl(_handle, Kernel32.IOCTL_DISK_IS_WRITABLE, null, 0, null, 0, null, &overlapped);
        if (Finish(ok, &overlapped, &count) == Kernel32.ERROR_WRITE_PROTECT)
        {
            throw new BlockDeviceException(BlockDeviceError.ReadOnly, $"{Path} is write-protected");
        }
    }

    private void LockAndDismount()
    {
        foreach (uint code in new[] { Kernel32.FSCTL_LOCK_VOLUME, Kernel32.FSCTL_DISMOUNT_VOLUME })
        {
            Kernel32.Overlapped overlapped = Position(0);
            uint count;
            int ok = Kernel32.DeviceIoControl(_handle, code, null, 0, null, 0, null, &overlapped);
            int error = Finish(ok, &overlapped, &count);
            if (error != 0)
            {
                // It says "access denied" when files are open.
                throw error == Kernel32.ERROR_ACCESS_DENIED
                    ? new BlockDeviceException(BlockDeviceError.Busy, $"{Path} is in use: it cannot be locked; close the programs and windows that use it")
                    : WindowsErrors.Transfer(error, "locking", Path);
            }
        }
    }

    private static bool IsDrive(string path) => path.StartsWith(DevicePrefix, StringComparison.Ordinal);

    private static SafeWin32Handle OpenHandle(string path, uint access, uint share, uint flags, bool isReadOnly)
    {
        nint handle = Kernel32.CreateFile(path, access, share, null, Kernel32.OPEN_EXISTING, flags, 0);
        return handle != -1
            ? new SafeWin32Handle(handle)
            : throw WindowsErrors.Open(Marshal.GetLastPInvokeError(), path, isReadOnly);
    }

    private static ImageIdentity IdentityOf(SafeWin32Handle file, string path)
    {
        if (IsDrive(path))
        {
            // Drives have no file id; their name is fixed.
            ulong hash = 14695981039346656037;
            foreach (char c in path.ToUpperInvariant())
            {
                hash = unchecked((hash ^ c) * 1099511628211);
            }

            return new ImageIdentity(true, 0, hash);
        }

        Kernel32.IdInformation id;
        if (Kernel32.GetFileInformationByHandleEx(file.Value, Kernel32.FileIdInfo, &id, (uint)sizeof(Kernel32.IdInformation)) != 0)
        {
            return new ImageIdentity(false, id.VolumeSerialNumber, id.FileIdLow, id.FileIdHigh);
        }

        // File systems without 128-bit ids.
        Kernel32.ByHandleInformation information;
        return Kernel32.GetFileInformationByHandle(file.Value, &information) != 0
            ? new ImageIdentity(false, information.VolumeSerialNumber, ((ulong)information.IndexHigh << 32) | information.IndexLow)
            : throw WindowsErrors.Transfer(Marshal.GetLastPInvokeError(), "asking the file id", path);
    }

    private int AskSectorSize()
    {
        // DISK_GEOMETRY: cylinders (8), media type, tracks, sectors, bytes per sector (4 each).
        byte* geometry = stackalloc byte[24];
        Control(Kernel32.IOCTL_DISK_GET_DRIVE_GEOMETRY, null, 0, geometry, 24, "asking the sector size");
        return *(int*)(geometry + 20);
    }

    private Kernel32.StandardInformation StandardInformation()
    {
        Kernel32.StandardInformation information;
        return Kernel32.GetFileInformationByHandleEx(
                _handle, Kernel32.FileStandardInfo, &information, (uint)sizeof(Kernel32.StandardInformation)) != 0
            ? information
            : throw WindowsErrors.Transfer(Marshal.GetLastPInvokeError(), "asking the size", Path);
    }

    private void Control(uint code, void* input, uint inputSize, void* output, uint outputSize, string what)
    {
        Kernel32.Overlapped overlapped = Position(0);
        uint count;
        int ok = Kernel32.DeviceIoControl(_handle, code, input, inputSize, output, outputSize, null, &overlapped);
        int error = Finish(ok, &overlapped, &count);
        if (error != 0)
        {
            throw WindowsErrors.Transfer(error, what, Path);
        }
    }

    /// <summary>Waits for an overlapped call on this thread's event.</summary>
    /// <returns>0 or the error code.</returns>
    private int Finish(int ok, Kernel32.Overlapped* overlapped, uint* count)
    {
        if (ok == 0)
        {
            int code = Marshal.GetLastPInvokeError();
            if (code != Kernel32.ERROR_IO_PENDING)
            {
                return code;
            }
        }

        return Kernel32.GetOverlappedResult(_handle, overlapped, count, 1) != 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    private static Kernel32.Overlapped Position(long offset) => new()
    {
        OffsetLow = (uint)offset,
        OffsetHigh = (uint)(offset >> 32),
        Event = ThreadEvent().Value,
    };

    private static SafeWin32Handle ThreadEvent()
    {
        SafeWin32Handle? handle = t_event;
        if (handle is null)
        {
            handle = new SafeWin32Handle(Kernel32.CreateEvent(null, 1, 0, null));
            t_event = handle;
            if (handle.IsInvalid)
            {
                t_event = null;
                throw new BlockDeviceException(BlockDeviceError.Busy, "no event for a transfer");
            }
        }

        return handle;
    }
}
