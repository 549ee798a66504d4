using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using Microsoft.Win32.SafeHandles;
using WinLoop.Storage.Linux;
using WinLoop.Storage.Windows;

namespace WinLoop.Storage;

/// <summary>How the file behind a loop device is found at a flush.</summary>
public enum BackingFileState
{
    /// <summary>As it was opened.</summary>
    Unchanged,

    /// <summary>Larger than it was; the device keeps its size.</summary>
    Grown,

    /// <summary>No name leads to it any more: everything is lost when the device is closed.</summary>
    Unlinked,

    /// <summary>Too small for the device. Every request fails from then on.</summary>
    Shrunk,
}

/// <summary>
/// An image file, or a block device, as a block device: Linux's loop driver in user mode. Every request
/// passes a <see cref="RequestQueue"/>, which gives the figures, the freeze, and another try where the
/// system says "not now"; it runs on the caller's thread.
/// </summary>
/// <remarks>
/// The methods from <c>QueueRequest</c> down are kept apart from each other (not inlined), so that a profile
/// or a stack trace shows the way that Linux's shows; that costs a nanosecond each.
/// A writable device is locked against every other user, a read-only one against writers. A failed flush
/// stays failed: the system has dropped what it could not write, and a second flush that succeeds would lie.
/// </remarks>
public sealed unsafe class LoopDevice : IGrowableDevice, IQueueOperations
{
    /// <summary>The kernel's unit for the size of a block device.</summary>
    private const int SizeUnit = 512;

    private const int ZeroBufferSize = 256 * 1024;

    [ThreadStatic]
    private static LoopCommand? t_command;

    private static readonly string[] OperationNames = ["read", "write", "flush", "discard", "write-zeroes"];

    private readonly BackingFile _file;
    private readonly LoopDeviceOptions _options;
    private bool _isExact;
    private long _offset;
    private long _fileLength;
    private long _length;
    private BlockDeviceException? _failure;
    private volatile BackingFileState _state;

    /// <summary>Takes over an open file.</summary>
    internal LoopDevice(BackingFile file, LoopDeviceOptions options)
    {
        _file = file;
        _options = options;
        IsReadOnly = options.IsReadOnly;
        SectorSize = options.SectorSize == 0 ? file.SectorSize : options.SectorSize;
        _fileLength = _length = file.GetLength();
        _isExact = options.IsExact;
        if (!_isExact)
        {
            SetWindow();
        }

        _state = file.IsUnlinked() ? BackingFileState.Unlinked : BackingFileState.Unchanged;
        Queue = new RequestQueue(this, new RequestQueueOptions { Name = "loop", OperationNames = OperationNames });
    }

    /// <inheritdoc/>
    public long Length => Volatile.Read(ref _length);

    /// <inheritdoc/>
    public bool IsReadOnly { get; }

    /// <inheritdoc/>
    public int SectorSize { get; }

    /// <summary>The image, as it was given.</summary>
    public string Path => _file.Path;

    /// <summary>A path that leads to the open file itself, whatever has become of its name; Linux, and null elsewhere.</summary>
    public string? DescriptorPath => _file.DescriptorPath;

    /// <summary>When the file was last written to, in <see cref="DateTime.Ticks"/> of UTC; 0 for a block device.</summary>
    internal long GetModifiedTicks() => _file.GetModifiedTicks();

    /// <summary>Which file it is, whatever its path.</summary>
    public ImageIdentity Identity => _file.Identity;

    /// <summary>Whether transfers bypass the host's page cache; false if that was not asked for or is not possible.</summary>
    public bool IsDirectIo => _file.IsDirectIo;

    /// <summary>What the last flush (or a read that came up short) found.</summary>
    public BackingFileState State => _state;

    /// <summary>The way of every request to the image: figures, freeze.</summary>
    public RequestQueue Queue { get; }

    /// <summary>Opens and locks an image file or block device.</summary>
    /// <exception cref="BlockDeviceException">NotFound, Denied, ReadOnly, Busy (in use by somebody else; the
    /// message says by what), OutOfRange (offset past the end) or another reason of the system.</exception>
    /// <exception cref="ArgumentException">An option has a value that it cannot have.</exception>
    public static LoopDevice Open(string path, LoopDeviceOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        options ??= new LoopDeviceOptions();
        Check(options);
        return Over(OperatingSystem.IsWindows() ? WindowsBackingFile.Open(path, options) : LinuxBackingFile.Open(path, options), options);
    }

    /// <summary>Takes over an image that somebody opened with rights of his own, and locks it.</summary>
    /// <param name="file">The open image. On Windows opened for overlapped I/O, and what it is shared for is its lock; the
    /// device takes the handle out of this object. On Linux a descriptor, which the device opens anew. The caller disposes
    /// this object in every case.</param>
    /// <param name="path">What it is called in messages.</param>
    /// <param name="options">As for opening a path.</param>
    /// <exception cref="BlockDeviceException">As for opening a path; ReadOnly: it is not open for writing.</exception>
    public static LoopDevice FromHandle(SafeFileHandle file, string path, LoopDeviceOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        options ??= new LoopDeviceOptions();
        Check(options);
        return Over(OperatingSystem.IsWindows() ? WindowsBackingFile.TakeOver(file, path) : LinuxBackingFile.TakeOver(file, path, options), options);
    }

    private static LoopDevice Over(BackingFile file, LoopDeviceOptions options)
    {
        try
        {
            return new LoopDevice(file, options);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static void Check(LoopDeviceOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(options.Offset, nameof(options));
        ArgumentOutOfRangeException.ThrowIfNegative(options.SizeLimit, nameof(options));
        if (options.IsShared && !options.IsReadOnly)
        {
            throw new ArgumentException("A shared device must be read-only.", nameof(options));
        }

        if (options.SectorSize is not (0 or 512 or 1024 or 2048 or 4096))
        {
            throw new ArgumentOutOfRangeException(nameof(options), options.SectorSize, "The sector size must be 512, 1024, 2048 or 4096.");
        }
    }

    /// <inheritdoc/>
    public void Read(Span<byte> buffer, long offset)
    {
        DeviceRange.Check(this, offset, buffer.Length);
        if (!buffer.IsEmpty)
        {
            fixed (byte* memory = buffer)
            {
                Issue(LoopOperation.Read, memory, offset, buffer.Length);
            }
        }
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data)
    {
        DeviceRange.CheckWrite(this, offset, buffer.Length);
        if (!buffer.IsEmpty)
        {
            fixed (byte* memory = buffer)
            {
                Issue(LoopOperation.Write, memory, offset, buffer.Length);
            }
        }
    }

    /// <inheritdoc/>
    public void Flush() => Issue(LoopOperation.Flush, null, 0, 0);

    /// <inheritdoc/>
    public void Discard(long offset, long length)
    {
        DeviceRange.CheckWrite(this, offset, length);
        if (length > 0)
        {
            Issue(LoopOperation.Discard, null, offset, length);
        }
    }

    /// <inheritdoc/>
    public void Prefetch(long offset, long length)
    {
        DeviceRange.Check(this, offset, length);
        if (length > 0 && !IsDirectIo)
        {
            _file.Prefetch(_offset + offset, length);
        }
    }

    /// <inheritdoc/>
    public void Forget(long offset, long length)
    {
        DeviceRange.Check(this, offset, length);
        if (length > 0 && !IsDirectIo)
        {
            _file.Forget(_offset + offset, length);
        }
    }

    /// <inheritdoc/>
    public long ZeroRun(long offset, long length)
    {
        DeviceRange.Check(this, offset, length);
        return length > 0 ? _file.ZeroRun(_offset + offset, length) : 0;
    }

    /// <inheritdoc/>
    public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data)
    {
        DeviceRange.CheckWrite(this, offset, length);
        if (length > 0)
        {
            Issue(LoopOperation.WriteZeroes, null, offset, length);
        }
    }

    /// <inheritdoc/>
    /// <remarks>Of a file that was opened with <see cref="LoopDeviceOptions.IsExact"/> and is not sealed, to any byte; of another, in
    /// whole sectors.</remarks>
    public bool CanResize => !IsReadOnly && _file.CanResize && (_isExact || _options.SizeLimit == 0);

    /// <inheritdoc/>
    public void SetLength(long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        DeviceRange.CheckWrite(this, 0, 0);
        if (!CanResize || (!_isExact && length % SizeUnit != 0))
        {
            throw new BlockDeviceException(BlockDeviceError.OutOfRange, $"the size of {Path} is fixed");
        }

        if (Volatile.Read(ref _failure) is { } failure)
        {
            throw new BlockDeviceException(failure.Error, failure.Message, failure);
        }

        lock (_file)
        {
            // A shorter device first, a longer one last: nothing is asked of the file that it does not have.
            if (length < _length)
            {
                Volatile.Write(ref _length, length);
            }

            _file.SetLength(checked(_offset + length));
            Volatile.Write(ref _fileLength, _offset + length);
            Volatile.Write(ref _length, length);
        }
    }

    /// <summary>Of a file that was opened with <see cref="LoopDeviceOptions.IsExact"/> and holds no container: its bytes are the disk.
    /// From now on offset and size limit hold, in whole sectors. Before any other thread uses it.</summary>
    /// <exception cref="BlockDeviceException">OutOfRange: the offset is past the end.</exception>
    public void Seal()
    {
        if (_isExact)
        {
            SetWindow();
            _isExact = false;
        }
    }

    private void SetWindow()
    {
        if (_options.Offset > _fileLength)
        {
            throw new BlockDeviceException(BlockDeviceError.OutOfRange,
                $"offset {_options.Offset} is past the end of {Path} ({_fileLength} bytes)");
        }

        long length = _fileLength - _options.Offset;
        if (_options.SizeLimit > 0)
        {
            length = Math.Min(length, _options.SizeLimit);
        }

        _offset = _options.Offset;
        _length = length / SizeUnit * SizeUnit;
    }

    /// <summary>For an image that is a block device: gives up the exclusive claim, right before the kernel
    /// mounts something on it that takes the claim itself (fuseblk).</summary>
    public void ReleaseClaim() => _file.ReleaseClaim();

    /// <summary>For an image that is a block device: takes the exclusive claim again, when nothing was mounted on it.</summary>
    /// <returns>False if somebody else has it.</returns>
    public bool TryClaim() => _file.TryClaim();

    /// <summary>Waits for requests that run and closes the image. Does not flush.</summary>
    public void Dispose()
    {
        Queue.Dispose(); // afterwards no request can touch the descriptor
        _file.Dispose();
    }

    /// <summary>Takes a request (<c>loop_queue_rq</c>).</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    QueueStatus IQueueOperations.QueueRequest(Request request)
    {
        try
        {
            HandleCommand((LoopCommand)request);
            return QueueStatus.Ok;
        }
        catch (BlockDeviceException e) when (e.Error == BlockDeviceError.Busy)
        {
            request.Exception = e;
            return QueueStatus.Busy;
        }
    }

    /// <summary><c>lo_complete_rq</c>: the caller waits on its own stack, so there is nobody to tell.</summary>
    void IQueueOperations.CompleteRequest(Request request)
    {
    }

    /// <summary>One request, on the caller's thread. The command object is the thread's own.</summary>
    private void Issue(LoopOperation kind, byte* buffer, long offset, long length)
    {
        LoopCommand command = t_command ??= new LoopCommand();
        if (command.Tag >= 0)
        {
            command = new LoopCommand(); // a handler above that runs inside of one of our requests
        }

        command.Kind = kind;
        command.Operation = (int)kind;
        command.Buffer = buffer;
        command.Offset = offset;
        command.Length = length;
        command.Bytes = length;
        if (Queue.Execute(command) != QueueStatus.Ok)
        {
            ThrowFailure(command);
        }
    }

    /// <summary><c>loop_handle_cmd</c>: refuses what cannot succeed any more.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void HandleCommand(LoopCommand command)
    {
        if (_failure is { } failure && (command.Kind != LoopOperation.Read || failure.Error == BlockDeviceError.Gone))
        {
            throw new BlockDeviceException(failure.Error, failure.Message, failure);
        }

        DoRequestFileBacked(command);
    }

    /// <summary><c>do_req_filebacked</c>.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void DoRequestFileBacked(LoopCommand command)
    {
        long position = _offset + command.Offset;
        switch (command.Kind)
        {
            case LoopOperation.Read:
                ReadSimple(command.Buffer, command.Length, position);
                break;
            case LoopOperation.Write:
                WriteSimple(command.Buffer, command.Length, position);
                break;
            case LoopOperation.Flush:
                FlushFile();
                break;
            case LoopOperation.Discard:
                _file.Discard(position, command.Length);
                break;
            case LoopOperation.WriteZeroes:
                ZeroRange(command.Length, position);
                break;
            default:
                throw new UnreachableException();
        }
    }

    /// <summary><c>lo_read_simple</c>.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void ReadSimple(byte* buffer, long length, long position)
    {
        long count = _file.Read(buffer, length, position);
        if (count < length)
        {
            CheckBacking();
            throw new BlockDeviceException(BlockDeviceError.Io,
                $"read of {length} bytes at {position} of {Path} gave {count} bytes");
        }
    }

    /// <summary><c>lo_write_simple</c>.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void WriteSimple(byte* buffer, long length, long position)
    {
        // A write behind the end of a file that has shrunk makes it grow again. One that ends before the device's end leaves
        // it too short, which the next flush sees; one up to the very end would hide it.
        if (position + length >= _offset + Length)
        {
            CheckBacking();
        }

        _file.Write(buffer, length, position);
    }

    /// <summary><c>lo_req_flush</c>.</summary>
    private void FlushFile()
    {
        if (!IsReadOnly)
        {
            try
            {
                _file.Flush();
            }
            catch (BlockDeviceException e) when (e.Error != BlockDeviceError.Busy)
            {
                Interlocked.CompareExchange(ref _failure, e, null);
                throw;
            }
        }

        CheckBacking();
    }

    /// <summary><c>lo_fallocate</c>; where the file system cannot, writes zeroes.</summary>
    private void ZeroRange(long length, long position)
    {
        if (_file.TryZero(position, length))
        {
            return;
        }

        byte[] zeroes = GC.AllocateArray<byte>((int)Math.Min(length, ZeroBufferSize), pinned: true);
        fixed (byte* memory = zeroes)
        {
            for (long done = 0; done < length; done += zeroes.Length)
            {
                WriteSimple(memory, Math.Min(length - done, zeroes.Length), position + done);
            }
        }
    }

    /// <summary>Looks whether the file still holds the device.</summary>
    private void CheckBacking()
    {
        long now = _file.GetLength();
        if (now < _offset + Length)
        {
            _state = BackingFileState.Shrunk;
            var gone = new BlockDeviceException(BlockDeviceError.Gone,
                $"{Path} has shrunk to {now} bytes; the device in it needs {_offset + Length}");
            Volatile.Write(ref _failure, gone);
            throw gone;
        }

        _state = _file.IsUnlinked() ? BackingFileState.Unlinked
            : now > Volatile.Read(ref _fileLength) ? BackingFileState.Grown
            : BackingFileState.Unchanged;
    }

    [DoesNotReturn]
    private static void ThrowFailure(LoopCommand command)
    {
        // With the stack trace of the place where it happened.
        ExceptionDispatchInfo.Throw(command.Exception ?? new BlockDeviceException(BlockDeviceError.Io, "the request failed"));
    }
}
