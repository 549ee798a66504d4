namespace WinLoop.Ext4.Allocation;

/// <summary>Blocks set aside in memory for one file's growth: used in the allocator's view, free on disk.</summary>
internal sealed class Preallocation
{
    /// <summary>The logical block that <see cref="Physical"/> is meant for.</summary>
    public uint Logical;
    /// <summary>First block set aside.</summary>
    public ulong Physical;
    /// <summary>Blocks set aside.</summary>
    public uint Length;
}

/// <summary>Blocks taken in memory for a write that has not been journaled yet.</summary>
/// <param name="Physical">First block.</param>
/// <param name="Length">Blocks; 0 = none.</param>
internal readonly record struct BlockReservation(ulong Physical, uint Length);
