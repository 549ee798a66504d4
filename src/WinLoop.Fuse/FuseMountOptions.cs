namespace WinLoop.Fuse;

/// <summary>How a volume is mounted through FUSE.</summary>
public sealed record FuseMountOptions
{
    /// <summary>Absolute path of the image file or block device; shown as the mount's source when no
    /// block device holds it.</summary>
    public required string Source { get; init; }

    /// <summary>A path that leads to the open <see cref="Source"/> whatever has become of its name
    /// (<c>/proc/self/fd/N</c>); null = <see cref="Source"/> itself.</summary>
    public string? OpenSource { get; init; }

    /// <summary>Names the mount point to the kernel in place of its path, which others may change
    /// (<c>/proc/self/fd/N/name</c>); null = the path.</summary>
    public string? Target { get; init; }

    /// <summary>Root mounts for this user: without <see cref="AllowOther"/> nobody else gets in, root neither.
    /// Null = for root itself.</summary>
    public (uint Uid, uint Gid)? User { get; init; }

    /// <summary>Where the volume begins in <see cref="Source"/>, in bytes (the loop device gets the same).</summary>
    public long Offset { get; init; }

    /// <summary>Bytes of <see cref="Source"/> that belong to the volume; 0 = up to its end.</summary>
    public long SizeLimit { get; init; }

    /// <summary>Mount read-only. A read-only volume is always mounted so.</summary>
    public bool IsReadOnly { get; init; }

    /// <summary>Words of mount(8)'s option list that concern the mount and not the volume; each must satisfy
    /// <see cref="IsMountOption"/>.</summary>
    public IReadOnlyList<string> MountWords { get; init; } = [];

    /// <summary>Other users may see the mount. Always on for root, unless it mounts for a <see cref="User"/>; otherwise /etc/fuse.conf has to allow it.</summary>
    public bool AllowOther { get; init; }

    /// <summary>Hold the image by an autoclear loop device and mount as <c>fuseblk</c> where that is possible
    /// (root). Otherwise the mount is of type <c>fuse</c>.</summary>
    public bool UseBlockDevice { get; init; } = true;

    /// <summary>Serving threads; 0 = one per processor, at least two.</summary>
    public int Threads { get; init; }

    /// <summary>Let the kernel collect small writes; null = the default of this version.</summary>
    public bool? UseWritebackCache { get; init; }

    /// <summary>Open files without asking the server; null = the default of this version. Never done together with
    /// the writeback cache, always on read-only mounts. What it changes: immutable and append-only files can be
    /// opened for writing, and the write is refused.</summary>
    public bool? SkipOpen { get; init; }

    /// <summary>Readahead of the mount in KiB (needs root); 0 = the kernel's.</summary>
    public int ReadAheadKiB { get; init; } = 1024;

    /// <summary>Takes notes about things that were worked around, and errors of the server itself.</summary>
    public Action<string>? Log { get; init; }

    /// <summary>True for a word of <c>-o</c> that the mount understands: ro, rw, nosuid, suid, nodev, dev, noexec,
    /// exec, noatime, atime, nodiratime, diratime, relatime, norelatime, strictatime, sync, async, dirsync,
    /// silent, allow_other, default_permissions, defaults, and those that mount(8) keeps to itself
    /// (auto, noauto, user, nouser, users, group, owner, nofail, _netdev, comment=, x-...).</summary>
    public static bool IsMountOption(string word) => MountFlags.IsKnown(word);
}
