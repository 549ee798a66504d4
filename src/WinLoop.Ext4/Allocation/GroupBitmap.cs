using System.Runtime.InteropServices;
using WinLoop.Ext4.Cache;

namespace WinLoop.Ext4.Allocation;

/// <summary>
/// One group's loaded bitmap, twice: as it will be on disk, and as what may not be handed out, which has
/// more ones: what is set aside in memory, and what was freed by a transaction that is not durable yet.
/// Guarded by the group's lock.
/// </summary>
internal sealed class GroupBitmap(uint group, MetadataBuffer buffer, ulong[] busy)
{
    public uint Group { get; } = group;

    /// <summary>The on-disk bitmap; a reference is held while the group is loaded.</summary>
    public MetadataBuffer Buffer { get; } = buffer;

    /// <summary>What may not be handed out; covers the group's bits, rounded up to a word of ones.</summary>
    public ulong[] Busy { get; } = busy;

    /// <summary>The on-disk bitmap as words, as long as <see cref="Busy"/>.</summary>
    public Span<ulong> Disk => MemoryMarshal.Cast<byte, ulong>(Buffer.Data)[..Busy.Length];

    /// <summary>Bits that are busy but clear on disk. While there are any the group stays loaded.</summary>
    public int Held;

    /// <summary>Blocks: behind the last new file. Inodes: no zero of <see cref="Busy"/> is before it.</summary>
    public int Cursor;

    /// <summary>Second chance before unloading.</summary>
    public bool IsRecent;

    /// <summary>The windows set aside in this group (block bitmaps only).</summary>
    public Preallocation? FirstWindow;
}
