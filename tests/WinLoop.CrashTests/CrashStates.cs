using WinLoop.Storage;

namespace WinLoop.CrashTests;

/// <summary>One thing the engine asked of the device.</summary>
/// <param name="Offset">First byte; −1 for a flush.</param>
/// <param name="Data">What was written; empty for a flush.</param>
/// <param name="Tag">What it carries.</param>
/// <param name="Index">Its place in the device's log.</param>
internal readonly record struct Recorded(long Offset, byte[] Data, WriteTag Tag, int Index)
{
    public bool IsFlush => Offset < 0;
}

/// <summary>A device in memory that remembers every write and flush in order.</summary>
internal sealed class CrashDevice(byte[] image) : IBlockDevice
{
    private readonly byte[] _image = (byte[])image.Clone();
    private readonly List<Recorded> _log = [];

    /// <summary>Everything so far; take it only while nobody writes.</summary>
    public IReadOnlyList<Recorded> Log => _log;

    public long Length => _image.Length;
    public bool IsReadOnly => false;
    public int SectorSize => 512;

    public void Read(Span<byte> buffer, long offset)
    {
        lock (_log)
        {
            Check(offset, buffer.Length);
            _image.AsSpan((int)offset, buffer.Length).CopyTo(buffer);
        }
    }

    public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data)
    {
        lock (_log)
        {
            Check(offset, buffer.Length);
            buffer.CopyTo(_image.AsSpan((int)offset));
            _log.Add(new Recorded(offset, buffer.ToArray(), tag, _log.Count));
        }
    }

    public void Flush()
    {
        lock (_log)
        {
            _log.Add(new Recorded(-1, [], WriteTag.Data, _log.Count));
        }
    }

    public void Discard(long offset, long length)
    {
    }

    public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data) => Write(new byte[length], offset, tag);

    public void Dispose()
    {
    }

    private void Check(long offset, int length)
    {
        if (offset < 0 || offset + length > _image.Length)
        {
            throw new BlockDeviceException(BlockDeviceError.OutOfRange, $"{offset}+{length}");
        }
    }
}

/// <summary>What may be on the disk after a cut: everything before the last completed flush, and of the
/// writes behind it any subset.</summary>
/// <param name="Durable">Entries of the log that are certainly there: [0, Durable).</param>
/// <param name="Kept">Of the entries from there on, those that made it.</param>
/// <param name="Cut">The index in the device's log at which the power went.</param>
internal sealed record CrashState(int Durable, int[] Kept, int Cut)
{
    /// <summary>The image as the next mount finds it.</summary>
    public byte[] Build(byte[] image, IReadOnlyList<Recorded> log)
    {
        byte[] result = (byte[])image.Clone();
        for (int i = 0; i < Durable; i++)
        {
            Apply(result, log[i]);
        }
        foreach (int i in Kept)
        {
            Apply(result, log[i]);
        }
        return result;
    }

    public override string ToString() => $"cut at {Cut}, durable [0,{Durable}), kept {{{string.Join(',', Kept)}}}";

    private static void Apply(byte[] image, in Recorded entry)
    {
        if (!entry.IsFlush)
        {
            entry.Data.CopyTo(image, entry.Offset);
        }
    }

    /// <summary>
    /// The log with every write cut into pieces of at most <paramref name="pieceSize"/> bytes: a device may
    /// keep any part of a large write.
    /// </summary>
    public static List<Recorded> Split(IReadOnlyList<Recorded> log, int pieceSize)
    {
        var pieces = new List<Recorded>();
        foreach (Recorded entry in log)
        {
            // The superblock's halves are torn apart; metadata blocks are covered by the journal's checksums.
            int most = entry.Tag == WriteTag.Superblock ? 512 : pieceSize;
            int at = 0;
            do
            {
                int count = Math.Min(most, entry.Data.Length - at);
                pieces.Add(entry.IsFlush ? entry : new Recorded(entry.Offset + at, entry.Data[at..(at + count)], entry.Tag, entry.Index));
                at += count;
            }
            while (at < entry.Data.Length);
        }
        return pieces;
    }

    /// <summary>
    /// The states of a log: every prefix at write granularity; and at the end of each epoch (the writes
    /// between two flushes) all subsets of up to six writes, otherwise each with one write missing, each
    /// write alone, and some random subsets.
    /// </summary>
    public static IEnumerable<CrashState> Enumerate(IReadOnlyList<Recorded> log, Random random)
    {
        int start = 0;
        for (int i = 0; i <= log.Count; i++)
        {
            if (i < log.Count && !log[i].IsFlush)
            {
                // In order: everything up to and with this write.
                yield return new CrashState(i + 1, [], log[i].Index + 1);
                continue;
            }
            int[] epoch = [.. Enumerable.Range(start, i - start)];
            foreach (int[] subset in Subsets(epoch, random))
            {
                yield return new CrashState(start, subset, i < log.Count ? log[i].Index : log[^1].Index + 1);
            }
            start = i + 1;
        }
    }

    private static IEnumerable<int[]> Subsets(int[] epoch, Random random)
    {
        if (epoch.Length <= 6)
        {
            for (int bits = 0; bits < 1 << epoch.Length; bits++)
            {
                yield return [.. epoch.Where((_, k) => (bits >> k & 1) != 0)];
            }
            yield break;
        }
        yield return [];
        foreach (int one in epoch)
        {
            yield return [one];
            yield return [.. epoch.Where(e => e != one)];
        }
        for (int k = 0; k < 16; k++)
        {
            yield return [.. epoch.Where(_ => random.Next(2) == 0)];
        }
    }
}
