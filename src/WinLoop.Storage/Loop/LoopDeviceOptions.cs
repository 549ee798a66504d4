namespace WinLoop.Storage;

/// <summary>How an image becomes a block device; the words and their meaning are losetup's.</summary>
public sealed record LoopDeviceOptions
{
    /// <summary>Where the device begins in the backing file, in bytes (<c>--offset</c>).</summary>
    public long Offset { get; init; }

    /// <summary>The most bytes the device has (<c>--sizelimit</c>); 0 = up to the end of the file.</summary>
    public long SizeLimit { get; init; }

    /// <summary>Open for reading only (<c>--read-only</c>). Nothing is written to the file, not even by mistake.</summary>
    public bool IsReadOnly { get; init; }

    /// <summary>Sector size in bytes (<c>--sector-size</c>): 512, 1024, 2048 or 4096; 0 = 512 for a file,
    /// the device's own for a block device.</summary>
    public int SectorSize { get; init; }

    /// <summary>Go around the host's page cache (<c>--direct-io</c>) where the backing file system can.</summary>
    public bool DirectIo { get; init; }

    /// <summary>The device is all of the file, to the byte, and its end can be moved: the file holds, or may hold, a container
    /// format; offset and size limit wait for <see cref="LoopDevice.Seal"/>. Otherwise whole sectors of 512 bytes, as the
    /// kernel counts them.</summary>
    public bool IsExact { get; init; }

    /// <summary>A loop device, for example <c>/dev/loop3</c>, that may back onto the same file: the one the
    /// caller attached itself. Linux only.</summary>
    public string? HolderLoopDevice { get; init; }

    /// <summary>Take no lock and respect none: for a look at an image that somebody else may have mounted.
    /// Needs <see cref="IsReadOnly"/>.</summary>
    public bool IsShared { get; init; }
}
