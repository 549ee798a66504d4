using DiscUtils.Streams;
using WinLoop.Ext4;

namespace WinLoop.DiscUtils;

/// <summary>How <see cref="Ext4FileSystem"/> opens a volume.</summary>
public sealed record Ext4FileSystemOptions
{
    /// <summary>Never write; a dirty journal is replayed into memory.</summary>
    public bool IsReadOnly { get; init; }

    /// <summary>Whether the stream is disposed with the file system.</summary>
    public Ownership Ownership { get; init; } = Ownership.None;

    /// <summary>Makes what was written to the stream durable; <see cref="StreamBarrier.Of"/> makes one for a disk format.
    /// Null: <see cref="StreamBarrier.Find"/> decides, and a stream that it does not know is read-only.</summary>
    public Action? Barrier { get; init; }

    /// <summary>Owner of what is created. Permissions are not checked: the path API has no user.</summary>
    public Caller Caller { get; init; } = Caller.Root;

    /// <summary>Everything else of the mount; its IsReadOnly is ignored.</summary>
    public Ext4MountOptions Mount { get; init; } = new();
}
