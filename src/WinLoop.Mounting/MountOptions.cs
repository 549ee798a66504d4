using WinLoop.Ext4;

namespace WinLoop.Mounting;

/// <summary>The options of one mount, as mount(8) names them.</summary>
public sealed record MountOptions
{
    /// <summary><c>ro</c>: the image is opened read-only and not one byte of it changes.</summary>
    public bool IsReadOnly { get; init; }
    /// <summary><c>noatime</c> (default), <c>relatime</c>, <c>strictatime</c>.</summary>
    public AccessTimeMode AccessTime { get; init; }
    /// <summary>Set-user-id programs are honoured; null = as usual for the user who mounts.</summary>
    public bool? Suid { get; init; }
    /// <summary>Device files are honoured; null = as usual for the user who mounts.</summary>
    public bool? Dev { get; init; }
    /// <summary>Programs may be executed.</summary>
    public bool Exec { get; init; } = true;
    /// <summary>Every write is on the medium when it returns.</summary>
    public bool Sync { get; init; }
    /// <summary>Every change of a directory is on the medium when it returns.</summary>
    public bool DirSync { get; init; }
    /// <summary>Other users may use the mount; null = yes for root, no for others.</summary>
    public bool? AllowOther { get; init; }
    /// <summary>Where the volume starts in the image, in bytes; null = found by itself.</summary>
    public long? Offset { get; init; }
    /// <summary>Bytes of the image that are used; null = to the end.</summary>
    public long? SizeLimit { get; init; }
    /// <summary>Damage policy.</summary>
    public ErrorsBehaviour Errors { get; init; }
    /// <summary>Seconds between commits of the journal, 1 to 86,400.</summary>
    public int CommitInterval { get; init; } = 5;
    /// <summary>Wait for the medium at each commit.</summary>
    public bool Barrier { get; init; } = true;
    /// <summary>Punch holes into the image where blocks are freed.</summary>
    public bool Discard { get; init; }
    /// <summary>Do not replay a dirty journal; the tree may be stale. Needs <see cref="IsReadOnly"/>.</summary>
    public bool SkipRecovery { get; init; }
    /// <summary>Bound of the metadata cache in bytes.</summary>
    public long CacheBytes { get; init; } = 64L << 20;

    /// <summary>The part the engine needs.</summary>
    /// <param name="readOnly">True if the device or the user forbids writing.</param>
    /// <param name="directory">Where it is mounted.</param>
    public Ext4MountOptions ToEngineOptions(bool readOnly, string? directory) => new()
    {
        IsReadOnly = readOnly,
        SkipRecovery = SkipRecovery,
        AccessTime = AccessTime,
        CommitInterval = CommitInterval,
        CacheBytes = CacheBytes,
        Errors = Errors,
        UseBarriers = Barrier,
        Discard = Discard,
        MountPoint = directory,
    };

    /// <summary>The part the host needs, as words of mount(8).</summary>
    /// <param name="readOnly">True if the volume can only be read.</param>
    /// <param name="privileged">True for root; others always get nosuid and nodev.</param>
    public IReadOnlyList<string> ToMountWords(bool readOnly, bool privileged)
    {
        List<string> words = [readOnly ? "ro" : "rw"];
        words.Add(privileged && Suid != false ? "suid" : "nosuid");
        words.Add(privileged && Dev != false ? "dev" : "nodev");
        words.Add(Exec ? "exec" : "noexec");
        // The engine keeps the access times; the kernel does not ask for more than this.
        words.Add(AccessTime switch
        {
            AccessTimeMode.Relative => "relatime",
            AccessTimeMode.Strict => "strictatime",
            _ => "noatime",
        });
        if (Sync)
        {
            words.Add("sync");
        }
        if (DirSync)
        {
            words.Add("dirsync");
        }
        return words;
    }
}
