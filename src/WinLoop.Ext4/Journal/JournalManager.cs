using WinLoop.Ext4.Cache;

namespace WinLoop.Ext4.Journal;

/// <summary>The running transaction, commits and checkpoints (jbd2's <c>journal_t</c>).</summary>
internal sealed class JournalManager(Ext4Volume volume)
{
    public Handle Start(int credits) => throw new NotImplementedException();
    internal void Stop(Handle handle) => throw new NotImplementedException();
    internal bool TryExtend(Handle handle, int credits) => throw new NotImplementedException();
    internal void JoinDescriptor(Handle handle, uint group) => throw new NotImplementedException();
    internal void JoinSuperblock(Handle handle) => throw new NotImplementedException();
    internal void Revoke(Handle handle, ulong block, uint count) => throw new NotImplementedException();

    /// <summary>The id of the running transaction.</summary>
    public uint RunningTid => throw new NotImplementedException();

    /// <summary>Returns when the transaction is durable; several callers share one commit.</summary>
    public void Commit(uint tid) => throw new NotImplementedException();

    private Ext4Volume Volume => volume;
}
