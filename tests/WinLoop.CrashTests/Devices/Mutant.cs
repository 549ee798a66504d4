using WinLoop.Ext4;
using WinLoop.Ext4.Format;
using WinLoop.Storage;

namespace WinLoop.CrashTests;

/// <summary>A defect that the crash test has to catch: a device that does something wrong on the engine's behalf, or a
/// hook in the engine.</summary>
internal sealed class Mutant(string name)
{
    private MutantDevice? _device;

    /// <summary>All of them.</summary>
    public static readonly string[] Names =
    [
        "no-flush-before-commit", "no-flush-after-commit", "no-revokes", "early-tail", "late-data", "no-orphans",
    ];

    /// <summary>For the engine; null without.</summary>
    public TestHooks? Hooks => name == "no-orphans" ? new TestHooks { FirstGeneration = 1000, SkipsOrphans = true } : null;

    /// <summary>The device that the engine gets.</summary>
    public IBlockDevice Wrap(RecordingDevice recorder) => name == "no-orphans" ? recorder : _device = new MutantDevice(recorder, name);

    /// <summary>An operation is about to return: a flush that was put off until it was known what follows is done.</summary>
    public void Settle() => _device?.PayFlush();
}

/// <summary>Stands between the engine and the recorder and loses flushes, revoke records or the order of writes.</summary>
internal sealed class MutantDevice(RecordingDevice inner, string defect) : IBlockDevice
{
    // A flush is passed on when it is known what comes next.
    private bool _owesFlush;
    private bool _afterCommit;
    private readonly List<(long Offset, byte[] Data)> _late = [];
    private byte[] _journalUuid = new byte[16];

    public long Length => inner.Length;
    public bool IsReadOnly => inner.IsReadOnly;
    public int SectorSize => inner.SectorSize;

    public void Read(Span<byte> buffer, long offset)
    {
        PayFlush();
        inner.Read(buffer, offset);
        foreach ((long at, byte[] data) in _late)
        {
            long from = Math.Max(at, offset), to = Math.Min(at + data.Length, offset + buffer.Length);
            if (from < to)
            {
                data.AsSpan((int)(from - at), (int)(to - from)).CopyTo(buffer[(int)(from - offset)..]);
            }
        }
    }

    public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data)
    {
        bool swallows = (defect == "no-flush-before-commit" && tag == WriteTag.JournalCommit) ||
            (defect == "early-tail" && tag == WriteTag.JournalSuperblock);
        if (swallows)
        {
            _owesFlush = false;
        }
        PayFlush();
        _afterCommit = tag == WriteTag.JournalCommit;
        if (tag == WriteTag.JournalSuperblock)
        {
            _journalUuid = new JournalSuperblock(buffer).Uuid.ToArray(); // the seed of its checksums
        }
        if (tag == WriteTag.Data && defect == "late-data")
        {
            _late.Add((offset, buffer.ToArray()));
            return;
        }
        if (tag == WriteTag.JournalRevoke && defect == "no-revokes")
        {
            inner.Write(WithoutRecords(buffer), offset, tag);
            return;
        }
        inner.Write(buffer, offset, tag);
    }

    public void Flush()
    {
        if (_afterCommit && defect == "no-flush-after-commit")
        {
            _afterCommit = false;
            return;
        }
        PayFlush();
        if (defect is "no-flush-before-commit" or "early-tail")
        {
            _owesFlush = true;
            return;
        }
        inner.Flush();
        // Ordered data reaches the disk some time after the commit that made it visible.
        if (_afterCommit)
        {
            WriteLate();
        }
        _afterCommit = false;
    }

    public void Discard(long offset, long length)
    {
        PayFlush();
        inner.Discard(offset, length);
    }

    public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data)
    {
        if (defect == "late-data")
        {
            _late.Add((offset, new byte[length]));
            return;
        }
        PayFlush();
        inner.WriteZeroes(offset, length, tag);
    }

    public void Dispose()
    {
        PayFlush();
        WriteLate();
    }

    public void PayFlush()
    {
        if (_owesFlush)
        {
            _owesFlush = false;
            inner.Flush();
        }
    }

    private void WriteLate()
    {
        foreach ((long offset, byte[] data) in _late)
        {
            inner.Write(data, offset);
        }
        _late.Clear();
    }

    // The same blocks with no record in them.
    private byte[] WithoutRecords(ReadOnlySpan<byte> blocks)
    {
        byte[] raw = new byte[Superblock.Size];
        inner.Read(raw, Superblock.Offset);
        var volume = new Superblock(raw);
        int blockSize = 1024 << (int)volume.LogBlockSize;
        JournalIncompatFeatures features = JournalIncompatFeatures.Revoke |
            (volume.Has(IncompatFeatures.Bit64) ? JournalIncompatFeatures.Bit64 : 0) |
            (volume.Has(RoCompatFeatures.MetadataCsum) ? JournalIncompatFeatures.ChecksumV3 : 0);
        var format = new JournalFormat(blockSize, 0, features, _journalUuid);
        byte[] result = blocks.ToArray();
        for (int at = 0; at < result.Length; at += blockSize)
        {
            JournalBlock.TryReadHeader(blocks[at..], out _, out uint tid);
            format.WriteRevoke(result.AsSpan(at, blockSize), tid, []);
        }
        return result;
    }
}
