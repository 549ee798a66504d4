using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using WinLoop.Storage;

namespace WinLoop.CrashTests;

/// <summary>128 bits that stand for the content of an image.</summary>
internal readonly record struct StateHash(ulong High, ulong Low)
{
    public static StateHash operator +(StateHash a, StateHash b) => new(unchecked(a.High + b.High), unchecked(a.Low + b.Low));

    public static StateHash operator -(StateHash a, StateHash b) => new(unchecked(a.High - b.High), unchecked(a.Low - b.Low));

    public override string ToString() => $"{High:x16}{Low:x16}";
}

/// <summary>
/// An image in memory in three layers: the base, the writes that are certainly there (<see cref="Settle"/>), and the
/// writes of one state, which <see cref="Reset"/> takes back at the cost of what they touched. For one thread.
/// </summary>
internal sealed class StateDevice(byte[] baseImage) : IBlockDevice
{
    private const int PageSize = 1024;

    private readonly byte[] _settled = (byte[])baseImage.Clone();
    // Content of a page that differs from the settled one; null if it does not.
    private readonly byte[]?[] _pages = new byte[(baseImage.Length + PageSize - 1) / PageSize][];
    private readonly List<int> _touched = [];
    private readonly Stack<byte[]> _spare = [];
    private StateHash _settledHash;

    public long Length => _settled.Length;
    public bool IsReadOnly => false;
    public int SectorSize => 512;

    /// <summary>Writes for good.</summary>
    public void Settle(RecordedOperation operation)
    {
        if (_touched.Count != 0)
        {
            throw new InvalidOperationException("A state is on top.");
        }
        if (operation.Length == 0)
        {
            return;
        }
        int first = (int)(operation.Offset / PageSize), last = (int)((operation.Offset + operation.Length - 1) / PageSize);
        for (int i = first; i <= last; i++)
        {
            _settledHash -= HashOf(i, Settled(i));
        }
        Span<byte> target = _settled.AsSpan((int)operation.Offset, (int)operation.Length);
        if (operation.Kind == RecordedKind.Write)
        {
            operation.Data.Span.CopyTo(target);
        }
        else
        {
            target.Clear();
        }
        for (int i = first; i <= last; i++)
        {
            _settledHash += HashOf(i, Settled(i));
        }
    }

    /// <summary>Takes the writes of the state back.</summary>
    public void Reset()
    {
        foreach (int i in _touched)
        {
            _spare.Push(_pages[i]!);
            _pages[i] = null;
        }
        _touched.Clear();
    }

    /// <summary>The content's hash: equal for equal contents over one base, whatever way led there.</summary>
    public StateHash Hash()
    {
        StateHash hash = _settledHash;
        foreach (int i in _touched)
        {
            hash += HashOf(i, _pages[i]) - HashOf(i, Settled(i));
        }
        return hash;
    }

    /// <summary>The whole image.</summary>
    public void CopyTo(Span<byte> target)
    {
        _settled.CopyTo(target);
        foreach (int i in _touched)
        {
            int length = Math.Min(PageSize, _settled.Length - (i * PageSize));
            _pages[i].AsSpan(0, length).CopyTo(target[(i * PageSize)..]);
        }
    }

    /// <summary>The whole image.</summary>
    public byte[] ToArray()
    {
        byte[] copy = GC.AllocateUninitializedArray<byte>(_settled.Length);
        CopyTo(copy);
        return copy;
    }

    public void Read(Span<byte> buffer, long offset)
    {
        Check(offset, buffer.Length);
        int position = (int)offset;
        while (!buffer.IsEmpty)
        {
            int page = position / PageSize, inside = position % PageSize, count = Math.Min(PageSize - inside, buffer.Length);
            (_pages[page] is { } content ? content.AsSpan(inside, count) : _settled.AsSpan(position, count)).CopyTo(buffer);
            buffer = buffer[count..];
            position += count;
        }
    }

    public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data)
    {
        Check(offset, buffer.Length);
        int position = (int)offset;
        while (!buffer.IsEmpty)
        {
            int inside = position % PageSize, count = Math.Min(PageSize - inside, buffer.Length);
            buffer[..count].CopyTo(Writable(position / PageSize).AsSpan(inside));
            buffer = buffer[count..];
            position += count;
        }
    }

    public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data)
    {
        Check(offset, length);
        for (int position = (int)offset, end = (int)(offset + length); position < end;)
        {
            int inside = position % PageSize, count = Math.Min(PageSize - inside, end - position);
            Writable(position / PageSize).AsSpan(inside, count).Clear();
            position += count;
        }
    }

    public void Discard(long offset, long length) => WriteZeroes(offset, length);

    public void Flush()
    {
    }

    public void Dispose()
    {
    }

    private ReadOnlySpan<byte> Settled(int page) => _settled.AsSpan(page * PageSize, Math.Min(PageSize, _settled.Length - (page * PageSize)));

    private byte[] Writable(int page)
    {
        if (_pages[page] is { } content)
        {
            return content;
        }
        if (!_spare.TryPop(out content))
        {
            content = new byte[PageSize];
        }
        Settled(page).CopyTo(content);
        _pages[page] = content;
        _touched.Add(page);
        return content;
    }

    private void Check(long offset, long length)
    {
        if (offset < 0 || length < 0 || offset > Length - length)
        {
            throw new BlockDeviceException(BlockDeviceError.OutOfRange, $"{offset}+{length} on a device of {Length}");
        }
    }

    /// <summary>The hash of <paramref name="to"/> over <paramref name="from"/>, two images of one size.</summary>
    public static StateHash Difference(byte[] from, byte[] to)
    {
        StateHash hash = default;
        for (int at = 0; at < from.Length; at += PageSize)
        {
            ReadOnlySpan<byte> a = from.AsSpan(at, Math.Min(PageSize, from.Length - at)), b = to.AsSpan(at, a.Length);
            if (!a.SequenceEqual(b))
            {
                hash += HashOf(at / PageSize, b) - HashOf(at / PageSize, a);
            }
        }
        return hash;
    }

    /// <summary>Tells the states of one image from those of another.</summary>
    public static StateHash OfName(string name)
    {
        ulong hash = 14695981039346656037;
        foreach (char c in name)
        {
            hash = unchecked((hash ^ c) * 1099511628211);
        }
        return new StateHash(hash, unchecked(hash * 0x9E3779B97F4A7C15));
    }

    // Images are multiples of the page in size; the hash is for finding equal states, not for secrets.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static StateHash HashOf(int page, ReadOnlySpan<byte> content)
    {
        const ulong K1 = 0x9E3779B97F4A7C15, K2 = 0xC2B2AE3D27D4EB4F;
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(content);
        unchecked
        {
            ulong a = ((ulong)page + 1) * K1, b = ((ulong)page + 1) * K2;
            for (int i = 0; i + 1 < words.Length; i += 2)
            {
                a = ulong.RotateLeft((a ^ words[i]) * K1, 29);
                b = ulong.RotateLeft((b ^ words[i + 1]) * K2, 31);
            }
            a ^= ulong.RotateLeft(b, 17);
            b += a * K2;
            a = (a ^ (a >> 32)) * K2;
            b = (b ^ (b >> 29)) * K1;
            return new StateHash(a ^ (a >> 31), b ^ (b >> 32));
        }
    }
}
