using WinLoop.Ext4.Cache;

namespace WinLoop.Ext4.Journal;

/// <summary>
/// One atomic operation inside the running transaction (jbd2's <c>handle_t</c>). Everything that a handle
/// joins reaches the disk together with the rest of its transaction, or not at all.
/// </summary>
/// <remarks>Lock order: inode locks are taken before a handle is started and never while one is open;
/// group locks only inside. A handle belongs to the thread that started it.</remarks>
internal sealed class Handle : IDisposable
{
    private JournalManager _journal = null!;

    internal void Open(JournalManager journal, Transaction transaction, int credits)
    {
        _journal = journal;
        Transaction = transaction;
        Credits = credits;
        Reserved = credits;
    }

    /// <summary>The transaction this handle belongs to.</summary>
    internal Transaction Transaction { get; private set; } = null!;

    /// <summary>Blocks this handle may still join.</summary>
    public int Credits { get; internal set; }

    internal int Reserved { get; set; }

    /// <summary>The id that <see cref="JournalManager.Commit"/> has to reach for this handle's changes to be durable.</summary>
    public uint Tid => Transaction.Tid;

    /// <summary>Declares that <paramref name="buffer"/> is about to be changed (jbd2_journal_get_write_access
    /// and dirty_metadata in one). Cheap when the buffer is in the transaction already.</summary>
    public void Join(MetadataBuffer buffer)
    {
        if (!ReferenceEquals(buffer.Transaction, Transaction))
        {
            Transaction.Add(buffer);
            Credits--;
        }
    }

    /// <summary>Says that group <paramref name="group"/>'s descriptor has changed in memory; it is encoded
    /// into its block when the transaction closes.</summary>
    public void JoinDescriptor(uint group) => _journal.JoinDescriptor(this, group);

    /// <summary>Says that the in-memory superblock has changed and is to be logged.</summary>
    public void JoinSuperblock() => _journal.JoinSuperblock(this);

    /// <summary>
    /// Forgets freed metadata blocks: they leave the transaction and a revoke record keeps recovery from
    /// writing their old images over a new owner's data. Called by the block allocator only.
    /// </summary>
    public void Revoke(ulong block, uint count) => _journal.Revoke(this, block, count);

    /// <summary>Asks for more credits; false if the transaction has no room, then close this handle at a
    /// consistent point and start another.</summary>
    public bool TryExtend(int credits) => _journal.TryExtend(this, credits);

    /// <summary>Closes the handle.</summary>
    public void Dispose() => _journal.Stop(this);
}
