using WinLoop.Storage;

namespace WinLoop.Images.Vmdk;

/// <summary>A part of the disk. Ranges lie inside it: the disk has checked them.</summary>
internal abstract class VmdkExtent(long length) : IDisposable
{
    /// <summary>Bytes of the extent.</summary>
    public long Length => length;

    /// <summary>Why it cannot be written, as the end of "it is opened read-only: "; null if it can.</summary>
    public virtual string? ReadOnlyReason => null;

    /// <summary>Whether <see cref="Begin"/> was called.</summary>
    public bool HasBegun { get; private set; }

    /// <summary>Before the first change. Under the disk's flush lock.</summary>
    public void Begin()
    {
        BeginCore();
        HasBegun = true;
    }

    /// <summary>Fills the buffer.</summary>
    public abstract void Read(Span<byte> buffer, long offset);

    /// <summary>Writes the buffer.</summary>
    public abstract void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag);

    /// <summary>Makes durable what was written. Under the disk's flush lock.</summary>
    public abstract void Flush();

    /// <summary>See <see cref="IBlockDevice.Discard"/>.</summary>
    public abstract void Discard(long offset, long length);

    /// <summary>See <see cref="IBlockDevice.WriteZeroes"/>.</summary>
    public abstract void WriteZeroes(long offset, long length, WriteTag tag);

    /// <summary>See <see cref="IBlockDevice.Prefetch"/>.</summary>
    public abstract void Prefetch(long offset, long length);

    /// <summary>See <see cref="IBlockDevice.Forget"/>.</summary>
    public abstract void Forget(long offset, long length);

    /// <summary>See <see cref="IBlockDevice.ZeroRun"/>.</summary>
    public abstract long ZeroRun(long offset, long length);

    /// <summary>After the last flush of an extent that was changed: leaves it as clean. Under the disk's flush lock.</summary>
    public virtual void Finish()
    {
    }

    /// <summary>Closes the file.</summary>
    public abstract void Dispose();

    /// <summary>Before the first change.</summary>
    protected virtual void BeginCore()
    {
    }
}
