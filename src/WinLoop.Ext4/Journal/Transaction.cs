using WinLoop.Ext4.Cache;

namespace WinLoop.Ext4.Journal;

/// <summary>What all handles between two commits changed (jbd2's <c>transaction_t</c>).</summary>
internal sealed class Transaction(uint tid)
{
    /// <summary>Transaction id; ids are compared modulo 2^32 (<see cref="IsAfter"/>).</summary>
    public uint Tid { get; } = tid;

    /// <summary>The blocks to log. Guarded by lock(Buffers).</summary>
    public List<MetadataBuffer> Buffers { get; } = [];

    /// <summary>Freed metadata blocks. Guarded by lock(Buffers).</summary>
    public HashSet<ulong> Revoked { get; } = [];

    /// <summary>Block runs that may be handed out again once this transaction is durable. Guarded by lock(Buffers).</summary>
    public List<(ulong Start, uint Count)> FreedBlocks { get; } = [];

    /// <summary>Inode numbers that may be handed out again once this transaction is durable. Guarded by lock(Buffers).</summary>
    public List<uint> FreedInodes { get; } = [];

    /// <summary>Groups whose descriptors have changed. Guarded by lock(Buffers).</summary>
    public HashSet<uint> DirtyGroups { get; } = [];

    /// <summary>True if the in-memory superblock is to be logged.</summary>
    public bool IsSuperblockDirty { get; set; }

    // The rest is guarded by the journal manager's lock.
    internal int OpenHandles;
    internal int OutstandingCredits;
    internal bool IsLocked;
    internal long FirstChangeAt;

    /// <summary>True if nothing would be logged.</summary>
    public bool IsEmpty => Buffers.Count == 0 && Revoked.Count == 0 && FreedBlocks.Count == 0 && FreedInodes.Count == 0;

    /// <summary>True if id <paramref name="a"/> is later than id <paramref name="b"/>.</summary>
    public static bool IsAfter(uint a, uint b) => unchecked((int)(a - b)) > 0;

    internal void Add(MetadataBuffer buffer)
    {
        lock (buffer)
        {
            if (ReferenceEquals(buffer.Transaction, this))
            {
                return;
            }
            if (buffer.Transaction is not null)
            {
                throw new InvalidOperationException($"Block {buffer.Block} belongs to another open transaction.");
            }
            buffer.TryReference();
            buffer.IsForgotten = false;
            buffer.Transaction = this;
        }
        lock (Buffers)
        {
            Buffers.Add(buffer);
        }
    }
}
