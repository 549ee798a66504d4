namespace WinLoop.Storage;

/// <summary>
/// The open image as the operating system gives it: positional, whole transfers, errors told apart.
/// Offsets are the file's own. Thread-safe, but for <see cref="Dispose"/>: the caller makes sure that
/// nothing runs any more.
/// </summary>
internal abstract class BackingFile : IDisposable
{
    /// <summary>As the user gave it.</summary>
    internal abstract string Path { get; }

    internal abstract ImageIdentity Identity { get; }

    /// <summary>A path of this process that leads to the open file itself; null if the system has no such thing.</summary>
    internal virtual string? DescriptorPath => null;

    /// <summary>Reads are done by bypassing the page cache.</summary>
    internal abstract bool IsDirectIo { get; }

    /// <summary>The sector size of a block device; 512 for a file.</summary>
    internal abstract int SectorSize { get; }

    /// <summary>The size now, in bytes; asks the system.</summary>
    internal abstract long GetLength();

    /// <summary>When a file was last written to, in <see cref="DateTime.Ticks"/> of UTC; 0 for a block device.</summary>
    internal virtual long GetModifiedTicks() => 0;

    /// <summary>Whether <see cref="SetLength"/> is possible.</summary>
    internal abstract bool CanResize { get; }

    /// <summary>Moves the end of the file.</summary>
    internal abstract void SetLength(long length);

    /// <summary>Whether no name leads to the file any more: it vanishes when it is closed.</summary>
    internal abstract bool IsUnlinked();

    /// <summary>Reads until the buffer is full or the file ends.</summary>
    /// <returns>Bytes read.</returns>
    internal abstract unsafe long Read(byte* buffer, long length, long offset);

    /// <summary>Writes everything.</summary>
    internal abstract unsafe void Write(byte* buffer, long length, long offset);

    /// <summary>Bytes of the hole that begins at a position, or 0.</summary>
    internal virtual long ZeroRun(long offset, long length) => 0;

    /// <summary>Begins to read a range into the system's page cache, if that is possible.</summary>
    internal virtual void Prefetch(long offset, long length)
    {
    }

    /// <summary>Drops a range from the system's page cache, if that is possible; what is dirty stays.</summary>
    internal virtual void Forget(long offset, long length)
    {
    }

    /// <summary>Everything written before is on stable storage when it returns.</summary>
    internal abstract void Flush();

    /// <summary>Frees the storage of a range, if that is possible.</summary>
    internal abstract void Discard(long offset, long length);

    /// <summary>Makes a range read as zeroes without writing them.</summary>
    /// <returns>False if that is not possible and zeroes must be written.</returns>
    internal abstract bool TryZero(long offset, long length);

    /// <summary>Gives up the exclusive claim on a block device, so that a mount of it can take it.</summary>
    internal virtual void ReleaseClaim()
    {
    }

    /// <summary>Takes that claim again.</summary>
    /// <returns>False if somebody else has it.</returns>
    internal virtual bool TryClaim() => true;

    public abstract void Dispose();
}
