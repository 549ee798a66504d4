using WinLoop.Ext4.Format;

namespace WinLoop.Ext4.Journal.Recovery;

/// <summary>
/// The first half of recovery: walks the log from s_start, verifies everything that has a checksum, and
/// collects what is to be written home. Writes nothing.
/// </summary>
/// <remarks>
/// What ends the log quietly, and what is damage: a transaction whose commit block is missing or torn was
/// interrupted and is the end of the log. But a commit block is written only after a flush of everything
/// before it; so when a valid commit block is found at or behind a place that does not verify, something that
/// was durable is lost, and recovery refuses. (With asynchronous commits the last commit block proves nothing
/// about its own transaction.) Commit blocks of an earlier lap have smaller ids or older times and prove nothing.
/// </remarks>
internal sealed class JournalScanner
{
    private readonly JournalReader _reader;
    private readonly JournalFormat _format;
    private readonly Func<ulong, bool> _isValidTarget;
    private readonly uint _capacity;
    private readonly byte[] _descriptor;
    private readonly List<(ulong Target, LoggedBlock Block)> _pending = [];
    private readonly List<ulong> _pendingRevokes = [];

    private uint _position;
    private uint _consumed;
    private uint _tid;
    private bool _hasCommitted;
    private ulong _lastSeconds;
    private string? _problem;

    /// <summary>The newest image of a block.</summary>
    /// <param name="Position">Log block.</param>
    /// <param name="Tid">Its transaction.</param>
    /// <param name="IsEscaped">The magic number is to be put back.</param>
    internal readonly record struct LoggedBlock(uint Position, uint Tid, bool IsEscaped);

    /// <param name="reader">Reads the log.</param>
    /// <param name="format">The log's format.</param>
    /// <param name="isValidTarget">True if recovery may write a block.</param>
    public JournalScanner(JournalReader reader, JournalFormat format, Func<ulong, bool> isValidTarget)
    {
        _reader = reader;
        _format = format;
        _isValidTarget = isValidTarget;
        _capacity = format.End - format.First;
        _descriptor = new byte[format.BlockSize];
    }

    /// <summary>Newest image of each block named by a committed transaction.</summary>
    public Dictionary<ulong, LoggedBlock> Images { get; } = [];

    /// <summary>The newest committed transaction that revokes a block.</summary>
    public Dictionary<ulong, uint> Revoked { get; } = [];

    /// <summary>The first transaction id that is not committed.</summary>
    public uint EndTid => _tid;

    /// <summary>The log block behind the last committed transaction.</summary>
    public uint Head { get; private set; }

    /// <summary>Committed transactions found.</summary>
    public int TransactionCount { get; private set; }

    /// <summary>Walks the log.</summary>
    /// <exception cref="Ext4CorruptException">Damage in front of a valid commit block.</exception>
    public void Scan(uint start, uint sequence)
    {
        _position = Head = start;
        _tid = sequence;
        while (true)
        {
            uint firstBlock = _position, consumedBefore = _consumed;
            _pending.Clear();
            _pendingRevokes.Clear();
            _problem = null;
            bool isCommitValid = ScanTransaction(out ulong seconds);
            if (isCommitValid && _problem is null)
            {
                Accept(seconds);
                continue;
            }
            if (isCommitValid && !_format.IsAsync && seconds >= _lastSeconds)
            {
                throw Damaged($"{_problem}, but its commit block is valid");
            }
            RefuseIfCommitFollows(firstBlock, consumedBefore);
            return;
        }
    }

    /// <summary>True if a block's newest image is hidden by a revoke record of its own or a later transaction.</summary>
    public bool IsRevoked(ulong target, uint tid) =>
        Revoked.TryGetValue(target, out uint revokedIn) && !Transaction.IsAfter(tid, revokedIn);

    private void Accept(ulong seconds)
    {
        foreach ((ulong target, LoggedBlock block) in _pending)
        {
            Images[target] = block;
        }
        foreach (ulong target in _pendingRevokes)
        {
            Revoked[target] = _tid;
        }
        _lastSeconds = seconds;
        _hasCommitted = true;
        TransactionCount++;
        Head = _position;
        _tid = unchecked(_tid + 1);
    }

    // True when the walk met the transaction's commit block and that is valid; _problem says what else is not.
    private bool ScanTransaction(out ulong seconds)
    {
        uint crc = Crc32Msb.Initial;
        seconds = 0;
        while (_consumed < _capacity)
        {
            uint at = _position;
            ReadOnlySpan<byte> block = _reader.Read(at);
            if (!JournalBlock.TryReadHeader(block, out JournalBlockType type, out uint tid) || tid != _tid)
            {
                _problem ??= $"log block {at} does not belong to it";
                return false;
            }
            Advance();
            switch (type)
            {
                case JournalBlockType.Descriptor:
                    if (!ScanDescriptor(block, at, ref crc))
                    {
                        return false;
                    }
                    break;
                case JournalBlockType.Revoke:
                    ScanRevoke(block, at);
                    break;
                case JournalBlockType.Commit:
                    seconds = JournalFormat.ReadCommitSeconds(block);
                    if (!_format.VerifyCommit(block))
                    {
                        _problem ??= $"the commit block {at} has a wrong checksum";
                        return false;
                    }
                    if (!_format.VerifyCommitCrc(block, crc))
                    {
                        _problem ??= $"its blocks do not match the checksum in commit block {at}";
                    }
                    return true;
                default:
                    _problem ??= $"log block {at} is of unknown type {(uint)type}";
                    return false;
            }
        }
        _problem ??= "it is larger than the log";
        return false;
    }

    private bool ScanDescriptor(ReadOnlySpan<byte> block, uint at, ref uint crc)
    {
        if (!_format.VerifyTail(block))
        {
            _problem ??= $"descriptor block {at} has a wrong checksum";
        }
        block.CopyTo(_descriptor);
        if (_format.HasCommitCrc)
        {
            crc = Crc32Msb.Compute(crc, block);
        }
        int offset = JournalBlock.HeaderSize;
        while (_format.TryReadTag(_descriptor, ref offset, out JournalTag tag))
        {
            if (_consumed >= _capacity)
            {
                _problem ??= "it is larger than the log";
                return false;
            }
            uint position = _position;
            Advance();
            if (_format.HasTail || _format.HasCommitCrc)
            {
                ReadOnlySpan<byte> image = _reader.Read(position);
                if (_format.HasCommitCrc)
                {
                    crc = Crc32Msb.Compute(crc, image);
                }
                if (_problem is null && !_format.VerifyData(tag, _tid, image))
                {
                    _problem = $"log block {position} (for block {tag.Block}) has a wrong checksum";
                }
            }
            if (!_isValidTarget(tag.Block))
            {
                _problem ??= $"descriptor block {at} names block {tag.Block}";
            }
            _pending.Add((tag.Block, new LoggedBlock(position, _tid, (tag.Flags & JournalTagFlags.Escape) != 0)));
            if ((tag.Flags & JournalTagFlags.LastTag) != 0)
            {
                break;
            }
        }
        return true;
    }

    private void ScanRevoke(ReadOnlySpan<byte> block, uint at)
    {
        int count = _format.ReadRevokeCount(block);
        if (count < 0 || !_format.VerifyTail(block))
        {
            _problem ??= $"revoke block {at} has a wrong {(count < 0 ? "count" : "checksum")}";
            return;
        }
        for (int i = 0; i < count; i++)
        {
            // A number that no image can have needs no place in the table.
            ulong target = _format.ReadRevoke(block, i);
            if (_isValidTarget(target))
            {
                _pendingRevokes.Add(target);
            }
        }
    }

    // Looks over the rest of the log for a commit block that proves the transaction (or a later one) was durable.
    private void RefuseIfCommitFollows(uint firstBlock, uint consumed)
    {
        if (!_format.HasTail && !_hasCommitted)
        {
            return; // nothing tells a valid commit block from one of an earlier life of the disk
        }
        uint position = firstBlock;
        for (; consumed < _capacity; consumed++, position = _format.Next(position))
        {
            ReadOnlySpan<byte> block = _reader.Read(position);
            if (!JournalBlock.TryReadHeader(block, out JournalBlockType type, out uint tid) || type != JournalBlockType.Commit)
            {
                continue;
            }
            uint distance = unchecked(tid - _tid);
            if (distance <= _capacity && (distance > 0 || !_format.IsAsync) &&
                JournalFormat.ReadCommitSeconds(block) >= _lastSeconds && _format.VerifyCommit(block))
            {
                throw Damaged($"{_problem}, but the commit of transaction {tid} in log block {position} is valid");
            }
        }
    }

    private Ext4CorruptException Damaged(string what) => new($"journal, transaction {_tid}", what);

    private void Advance()
    {
        _position = _format.Next(_position);
        _consumed++;
    }
}
