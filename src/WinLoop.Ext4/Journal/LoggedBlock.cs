using WinLoop.Ext4.Cache;

namespace WinLoop.Ext4.Journal;

/// <summary>One metadata block of a closed transaction.</summary>
/// <param name="buffer">Its buffer in the cache.</param>
/// <param name="streamIndex">Its image in the commit stream.</param>
/// <param name="tid">The transaction.</param>
internal sealed class LoggedBlock(MetadataBuffer buffer, int streamIndex, uint tid)
{
    public MetadataBuffer Buffer { get; } = buffer;
    public ulong Block { get; } = buffer.Block;
    public int StreamIndex { get; } = streamIndex;
    public uint Tid { get; } = tid;

    /// <summary>Log block of the image.</summary>
    public uint LogBlock { get; set; }

    /// <summary>True if the image's first four bytes are zeroed in the log.</summary>
    public bool IsEscaped { get; set; }

    /// <summary>Lets the buffer leave the cache if this is its newest closed image.</summary>
    public void Release(uint upTo)
    {
        lock (Buffer)
        {
            if (!Transaction.IsAfter(Buffer.LastTid, upTo))
            {
                Buffer.AwaitsCheckpoint = false;
            }
        }
    }
}
