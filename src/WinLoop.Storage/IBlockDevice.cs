namespace WinLoop.Storage;

/// <summary>
/// A block device: a fixed number of bytes, addressed by position. All members may be called from
/// several threads at once. Reads and writes that overlap in time and place have no defined order.
/// </summary>
/// <remarks>Offsets and lengths are in bytes. Everything that fails throws
/// <see cref="BlockDeviceException"/>; a short transfer is a failure, never silence.</remarks>
public interface IBlockDevice : IDisposable
{
    /// <summary>Size in bytes.</summary>
    long Length { get; }

    /// <summary>True if <see cref="Write"/>, <see cref="Discard"/> and <see cref="WriteZeroes"/> are refused.</summary>
    bool IsReadOnly { get; }

    /// <summary>The smallest unit that is written without tearing, in bytes (512 or 4096).</summary>
    int SectorSize { get; }

    /// <summary>Fills <paramref name="buffer"/> from <paramref name="offset"/> on.</summary>
    void Read(Span<byte> buffer, long offset);

    /// <summary>Writes all of <paramref name="buffer"/>. Durable only after the next <see cref="Flush"/>.</summary>
    /// <param name="buffer">The bytes to write.</param>
    /// <param name="offset">First byte written.</param>
    /// <param name="tag">What is being written; only recording devices look at it.</param>
    void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data);

    /// <summary>A barrier: everything whose <see cref="Write"/> returned before the call is on stable
    /// storage when it returns.</summary>
    void Flush();

    /// <summary>Tells the device that a range is no longer needed. What a later read of it returns is
    /// not defined. A device that cannot discard does nothing.</summary>
    void Discard(long offset, long length);

    /// <summary>Makes a range read as zeroes, freeing its storage where the device can.</summary>
    void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data);

    /// <summary>Says that a range will be read soon, so that a device which can fetch it in the background begins
    /// to. Only a wrong range is an error; what comes of it shows in the later <see cref="Read"/>.</summary>
    void Prefetch(long offset, long length)
    {
    }

    /// <summary>Says that the next <see cref="Read"/> of a range should ask the medium and not a cache between, where
    /// that can be done. What was written and not flushed stays where it is.</summary>
    void Forget(long offset, long length)
    {
    }

    /// <summary>How many bytes from <paramref name="offset"/> on are known to be zeroes without reading them: a hole. 0 says
    /// nothing. Nobody may write there meanwhile.</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="length">How many are of interest; the answer is not larger.</param>
    long ZeroRun(long offset, long length) => 0;

    /// <summary>Says that somebody else has written to what is below: a device with structures of its own writes nothing
    /// more, not even when it is closed.</summary>
    void Abandon()
    {
    }
}

/// <summary>What a write carries; the crash test drops writes by tag.</summary>
public enum WriteTag : byte
{
    /// <summary>File content.</summary>
    Data,
    /// <summary>A metadata block at its home location (checkpoint, or a volume without a journal).</summary>
    Metadata,
    /// <summary>The file system's superblock, written at mount and unmount.</summary>
    Superblock,
    /// <summary>A jbd2 descriptor block with the metadata images that follow it.</summary>
    JournalDescriptor,
    /// <summary>A jbd2 revoke block.</summary>
    JournalRevoke,
    /// <summary>A jbd2 commit block.</summary>
    JournalCommit,
    /// <summary>The jbd2 superblock.</summary>
    JournalSuperblock,
    /// <summary>A block that recovery puts back.</summary>
    Replay,
}

/// <summary>Why a block device did not do what was asked.</summary>
public enum BlockDeviceError
{
    /// <summary>The device reported an I/O error.</summary>
    Io,
    /// <summary>The range is not inside the device.</summary>
    OutOfRange,
    /// <summary>The device is read-only.</summary>
    ReadOnly,
    /// <summary>The storage behind the device is full.</summary>
    NoSpace,
    /// <summary>The device or its backing file is gone or has shrunk.</summary>
    Gone,
    /// <summary>Not now; the same request may succeed later. When opening: in use by another program.</summary>
    Busy,
    /// <summary>When opening: no such file or device.</summary>
    NotFound,
    /// <summary>When opening: no permission.</summary>
    Denied,
}

/// <summary>A request that a block device did not complete.</summary>
public sealed class BlockDeviceException(BlockDeviceError error, string message, Exception? inner = null)
    : IOException(message, inner)
{
    /// <summary>The kind of failure.</summary>
    public BlockDeviceError Error { get; } = error;
}
