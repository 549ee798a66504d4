using System.Buffers;
using System.Runtime.InteropServices;
using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal.Recovery;
using WinLoop.Storage;

namespace WinLoop.Ext4.Journal;

/// <summary>
/// The log area of an internal journal: writes closed transactions to its head and moves its tail when
/// their blocks have reached their home locations. Used under the journal manager's commit lock.
/// </summary>
internal sealed unsafe class JournalLog : IDisposable
{
    private const int StagingBlocks = 256;

    private readonly IBlockDevice _device;
    private JournalMap _map;
    private readonly JournalSuperblock _superblock;
    private readonly JournalFormat _format;
    private readonly int _blockSize;
    private readonly int _blockSizeBits;
    private readonly long _pendingLimit;
    private readonly byte* _commitBlock;
    // Newest durable image of every block that is not home yet.
    private readonly Dictionary<ulong, LoggedBlock> _pending = [];
    private uint _head;
    private uint _used;
    private bool _isStarted;
    private long _lastCommitSeconds;

    /// <param name="device">The volume's device.</param>
    /// <param name="geometry">The volume's.</param>
    /// <param name="map">Log blocks to physical blocks.</param>
    /// <param name="superblock">The journal superblock; the log is empty (recovered).</param>
    /// <param name="cacheBytes">The metadata cache's bound: not-yet-home blocks may take half of it.</param>
    public JournalLog(IBlockDevice device, Geometry geometry, JournalMap map, JournalSuperblock superblock, long cacheBytes)
    {
        _device = device;
        _map = map;
        _superblock = superblock;
        _blockSize = geometry.BlockSize;
        _blockSizeBits = geometry.BlockSizeBits;
        // An empty log may change its features. What other writers left (v1, v2, async, fast commit) is
        // replaced by what this one writes.
        _superblock.BlockType = JournalBlockType.SuperblockV2;
        _superblock.Compat = 0;
        _superblock.RoCompat = 0;
        _superblock.Incompat = JournalIncompatFeatures.Revoke |
            (geometry.Has(IncompatFeatures.Bit64) ? JournalIncompatFeatures.Bit64 : 0) |
            (geometry.HasMetadataChecksums ? JournalIncompatFeatures.ChecksumV3 : 0);
        _superblock.ChecksumType = geometry.HasMetadataChecksums ? JournalSuperblock.ChecksumTypeCrc32C : (byte)0;
        _format = JournalFormat.Create(Checked(_superblock), _blockSize, map.Count);
        _head = _format.First;
        Capacity = (int)(_format.End - _format.First);
        _pendingLimit = Math.Max(256, cacheBytes / 2 / _blockSize);
        FirstTid = unchecked(_superblock.Sequence + 1);
        _commitBlock = (byte*)NativeMemory.AlignedAlloc((nuint)_blockSize, 4096);
    }

    /// <summary>Log blocks that transactions can use.</summary>
    public int Capacity { get; }

    /// <summary>The id of the first transaction after the mount.</summary>
    public uint FirstTid { get; }

    /// <summary>Metadata images one descriptor block describes.</summary>
    public int TagsPerBlock => _format.TagsPerBlock;

    /// <summary>True if a checkpoint is due.</summary>
    public bool IsHalfFull => _used > Capacity / 2 || _pending.Count > _pendingLimit;

    /// <summary>Revoke blocks needed for a number of records.</summary>
    public int BlocksForRevokes(int records) => (records + _format.RevokesPerBlock - 1) / _format.RevokesPerBlock;

    /// <summary>
    /// Writes one transaction and makes it durable: revokes, descriptors and images; flush; commit block;
    /// flush. Checkpoints first if the log has no room.
    /// </summary>
    public void Write(Ext4Volume volume, Transaction transaction, CommitStream stream, List<LoggedBlock> images)
    {
        uint needed = (uint)stream.Count + 1;
        if (needed > Capacity - _used)
        {
            Checkpoint(volume, transaction.Tid);
        }
        if (needed > Capacity)
        {
            throw new InvalidOperationException($"A transaction of {needed} blocks in a log of {Capacity}.");
        }
        if (!_isStarted)
        {
            // Durable with the flush below, before the first commit block can be.
            _superblock.Start = _head;
            _superblock.Sequence = transaction.Tid;
            WriteSuperblock();
            _isStarted = true;
        }
        int revokeBlocks = FillRevokes(transaction, stream);
        FillDescriptors(transaction.Tid, stream, images);
        uint position = WriteBlocks(stream, 0, revokeBlocks, _head, WriteTag.JournalRevoke);
        position = WriteBlocks(stream, revokeBlocks, stream.Count, position, WriteTag.JournalDescriptor);
        volume.FlushDevice();
        WriteCommitBlock(transaction.Tid, position);
        volume.FlushDevice();
        _head = _format.Next(position);
        _used += needed;
        foreach (LoggedBlock image in images)
        {
            _pending[image.Block] = image;
        }
        foreach (ulong block in transaction.Revoked)
        {
            // Its next owner must not be overwritten by a checkpoint of the old content.
            if (_pending.TryGetValue(block, out LoggedBlock? old) && old.Tid != transaction.Tid)
            {
                _pending.Remove(block);
                old.Release(transaction.Tid);
            }
        }
    }

    /// <summary>
    /// Writes every committed block home, flushes, and moves the tail to the head; only then is the log's
    /// space free again.
    /// </summary>
    /// <param name="volume">The volume.</param>
    /// <param name="nextTid">The id that the next commit will have.</param>
    public void Checkpoint(Ext4Volume volume, uint nextTid)
    {
        if (_used == 0)
        {
            return;
        }
        List<LoggedBlock> blocks = WriteHome();
        volume.FlushDevice();
        _superblock.Start = _head;
        _superblock.Sequence = nextTid;
        WriteSuperblock();
        volume.FlushDevice();
        _used = 0;
        _pending.Clear();
        foreach (LoggedBlock block in blocks)
        {
            block.Release(block.Tid);
        }
    }

    /// <summary>Checkpoints and marks the log empty, so that nothing has to be recovered.</summary>
    public void Close(Ext4Volume volume, uint nextTid)
    {
        Checkpoint(volume, nextTid);
        _superblock.Start = 0;
        _superblock.Sequence = unchecked(nextTid + 1);
        _superblock.Head = 0;
        WriteSuperblock();
        volume.FlushDevice();
        _isStarted = false;
    }

    /// <summary>Goes on in other blocks, which the journal superblock was copied to. The log is closed.</summary>
    public void Relocate(JournalMap map)
    {
        if (_isStarted || map.Count != _map.Count)
        {
            throw new InvalidOperationException("The log is in use.");
        }
        _map = map;
    }

    /// <summary>Notes an abort in the journal superblock (s_errno = −EIO) for the next mount.</summary>
    public void RecordError()
    {
        _superblock.ErrorCode = -(int)Errno.EIO;
        WriteSuperblock();
        _device.Flush();
    }

    public void Dispose() => NativeMemory.AlignedFree(_commitBlock);

    // Returns how many blocks of the stream are revoke blocks; they are its first ones.
    private int FillRevokes(Transaction transaction, CommitStream stream)
    {
        if (transaction.Revoked.Count == 0)
        {
            return 0;
        }
        ulong[] revoked = [.. transaction.Revoked];
        Array.Sort(revoked);
        for (int i = 0, at = 0; at < revoked.Length; i++, at += _format.RevokesPerBlock)
        {
            int count = Math.Min(_format.RevokesPerBlock, revoked.Length - at);
            _format.WriteRevoke(stream[i], transaction.Tid, revoked.AsSpan(at, count));
        }
        return BlocksForRevokes(revoked.Length);
    }

    private void FillDescriptors(uint tid, CommitStream stream, List<LoggedBlock> images)
    {
        for (int first = 0; first < images.Count; first += _format.TagsPerBlock)
        {
            int count = Math.Min(_format.TagsPerBlock, images.Count - first);
            Span<byte> descriptor = stream[images[first].StreamIndex - 1];
            descriptor.Clear();
            JournalBlock.WriteHeader(descriptor, JournalBlockType.Descriptor, tid);
            int offset = JournalBlock.HeaderSize;
            for (int i = 0; i < count; i++)
            {
                LoggedBlock image = images[first + i];
                Span<byte> content = stream[image.StreamIndex];
                image.LogBlock = LogBlockAt(image.StreamIndex);
                image.IsEscaped = JournalBlock.NeedsEscape(content);
                if (image.IsEscaped)
                {
                    JournalBlock.Escape(content);
                }
                JournalTagFlags flags = (image.IsEscaped ? JournalTagFlags.Escape : 0) |
                    (i > 0 ? JournalTagFlags.SameUuid : 0) | (i == count - 1 ? JournalTagFlags.LastTag : 0);
                uint checksum = _format.HasTail ? _format.ComputeDataTagChecksum(tid, content) : 0;
                offset = _format.WriteTag(descriptor, offset, image.Block, flags, checksum);
            }
            _format.WriteDescriptorTail(descriptor);
        }
    }

    // The log block that a stream block goes to when the stream starts at the head.
    private uint LogBlockAt(int streamIndex)
    {
        uint position = _head + (uint)streamIndex;
        return position >= _format.End ? position - _format.End + _format.First : position;
    }

    // Writes a part of the stream to the log; returns the log block behind it.
    private uint WriteBlocks(CommitStream stream, int from, int to, uint position, WriteTag tag)
    {
        for (int at = from; at < to;)
        {
            ulong physical = _map.GetRun(position, out uint contiguous);
            int run = (int)Math.Min(Math.Min(contiguous, _format.End - position), (uint)(to - at));
            _device.Write(stream.Range(at, run), (long)(physical << _blockSizeBits), tag);
            at += run;
            position = position + (uint)run >= _format.End ? _format.First : position + (uint)run;
        }
        return position;
    }

    private void WriteCommitBlock(uint tid, uint position)
    {
        // Recovery tells a stale commit block by its time, so the time never goes back.
        Timestamp now = Timestamp.Now;
        long seconds = Math.Max(now.Seconds, _lastCommitSeconds);
        _lastCommitSeconds = seconds;
        var block = new Span<byte>(_commitBlock, _blockSize);
        _format.WriteCommit(block, tid, seconds, now.Nanoseconds);
        _device.Write(block, (long)(_map[position] << _blockSizeBits), WriteTag.JournalCommit);
    }

    // Home writes run beside open handles: a buffer that the running transaction has not joined holds
    // exactly its newest committed image and is copied under its lock; any other is read back from the log.
    private List<LoggedBlock> WriteHome()
    {
        var blocks = new List<LoggedBlock>(_pending.Values);
        blocks.Sort(static (a, b) => a.Block.CompareTo(b.Block));
        byte[] staging = ArrayPool<byte>.Shared.Rent(StagingBlocks * _blockSize);
        try
        {
            for (int i = 0; i < blocks.Count;)
            {
                int run = 0;
                while (i + run < blocks.Count && run < StagingBlocks && blocks[i + run].Block == blocks[i].Block + (ulong)run)
                {
                    CopyCommitted(blocks[i + run], staging.AsSpan(run * _blockSize, _blockSize));
                    run++;
                }
                _device.Write(staging.AsSpan(0, run * _blockSize), (long)(blocks[i].Block << _blockSizeBits), WriteTag.Metadata);
                i += run;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(staging);
        }
        return blocks;
    }

    private void CopyCommitted(LoggedBlock block, Span<byte> target)
    {
        MetadataBuffer buffer = block.Buffer;
        lock (buffer)
        {
            if (buffer.Transaction is null && buffer.LastTid == block.Tid && buffer.IsLoaded)
            {
                buffer.Data.CopyTo(target);
                return;
            }
        }
        _device.Read(target, (long)(_map[block.LogBlock] << _blockSizeBits));
        if (block.IsEscaped)
        {
            JournalBlock.Unescape(target);
        }
    }

    private void WriteSuperblock()
    {
        _superblock.UpdateChecksum();
        Span<byte> block = new byte[_blockSize];
        _superblock.Raw.CopyTo(block);
        _device.Write(block, (long)(_map[0] << _blockSizeBits), WriteTag.JournalSuperblock);
    }

    private static JournalSuperblock Checked(JournalSuperblock superblock)
    {
        superblock.Start = 0;
        superblock.UpdateChecksum();
        return superblock;
    }
}
