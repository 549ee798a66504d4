namespace WinLoop.Images.Qcow2;

/// <summary>How a new qcow2 is made.</summary>
public sealed record Qcow2CreateOptions
{
    /// <summary>2 or 3.</summary>
    public int Version { get; init; } = 3;

    /// <summary>Bytes of a cluster: a power of two from 512 to 2 MiB.</summary>
    public int ClusterSize { get; init; } = 64 * 1024;

    /// <summary>Bits of a reference count: 1, 2, 4, 8, 16, 32 or 64; version 2 has 16.</summary>
    public int RefcountBits { get; init; } = 16;

    /// <summary>What shows through where nothing was written; relative to the file. Null: zeroes. At most 1023 bytes.</summary>
    public string? BackingFile { get; init; }

    /// <summary>The format of <see cref="BackingFile"/>: raw, qcow2, vhdx, vpc, ... Null: whatever it holds.</summary>
    public string? BackingFormat { get; init; }
}
