using WinLoop.Ext4;
using WinLoop.Mounting.Windows.Names;

namespace WinLoop.Mounting.Windows;

/// <summary>
/// The names of a directory at one moment, sorted: by their folded form, then by their units. The order depends on the
/// names alone, so the place behind any name, one that is gone too, is always the same: that is what makes listing by
/// name markers end, and give nothing twice.
/// </summary>
internal sealed class DirectorySnapshot
{
    private readonly record struct Entry(int Offset, int Length, uint Inode);

    private const int SmallRange = 12;

    private readonly bool _isCaseSensitive;
    private char[] _names = new char[1024];
    private Entry[] _entries = new Entry[64];
    private int _used;

    private DirectorySnapshot(bool isCaseSensitive, int sequence)
    {
        _isCaseSensitive = isCaseSensitive;
        Sequence = sequence;
    }

    /// <summary>The directory's sequence before it was read; odd if it was being changed.</summary>
    public int Sequence { get; }

    /// <summary>Names.</summary>
    public int Count { get; private set; }

    /// <summary>The name at a position.</summary>
    public ReadOnlySpan<char> this[int index] => _names.AsSpan(_entries[index].Offset, _entries[index].Length);

    /// <summary>The inode number at a position.</summary>
    public uint InodeAt(int index) => _entries[index].Inode;

    /// <summary>Reads a directory, "." and ".." left out.</summary>
    public static DirectorySnapshot Take(Ext4Volume volume, Dentry directory, bool isCaseSensitive)
    {
        var snapshot = new DirectorySnapshot(isCaseSensitive, directory.Directory!.Sequence);
        volume.ReadDirectory(directory.Inode, 0, (name, inode, _, _) =>
        {
            if (name is not [(byte)'.'] and not [(byte)'.', (byte)'.'])
            {
                snapshot.Add(name, inode);
            }
            return true;
        });
        snapshot.Sort();
        if (!isCaseSensitive && snapshot.HasTwins())
        {
            directory.Directory.HasTwins = true;
        }
        return snapshot;
    }

    /// <summary>The position behind a name, whether it is there or not.</summary>
    public int After(ReadOnlySpan<char> marker)
    {
        int low = 0, high = Count;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (Compare(this[middle], marker) <= 0)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }
        return low;
    }

    private bool HasTwins()
    {
        for (int i = 1; i < Count; i++)
        {
            if (NameCase.FoldedEquals(this[i - 1], this[i]))
            {
                return true;
            }
        }
        return false;
    }

    private int Compare(ReadOnlySpan<char> a, ReadOnlySpan<char> b)
    {
        int folded = _isCaseSensitive ? 0 : NameCase.FoldedCompare(a, b);
        return folded != 0 ? folded : a.SequenceCompareTo(b);
    }

    private void Add(ReadOnlySpan<byte> name, uint inode)
    {
        if (_used + name.Length > _names.Length)
        {
            Array.Resize(ref _names, Math.Max(_names.Length * 2, _used + name.Length));
        }
        if (Count == _entries.Length)
        {
            Array.Resize(ref _entries, _entries.Length * 2);
        }
        int length = WindowsName.Decode(name, _names.AsSpan(_used));
        _entries[Count++] = new Entry(_used, length, inode);
        _used += length;
    }

    private void Sort()
    {
        char[] keys = _names;
        if (!_isCaseSensitive)
        {
            keys = new char[_used];
            NameCase.Fold(_names.AsSpan(0, _used), keys);
        }
        SortByKeys(_entries.AsSpan(0, Count), keys, 0);
    }

    // Three-way radix quicksort: names of a directory have much of their beginning in common, which is looked at once.
    private void SortByKeys(Span<Entry> entries, char[] keys, int depth)
    {
        while (entries.Length > SmallRange)
        {
            int pivot = KeyAt(entries[entries.Length / 2], keys, depth);
            int less = 0, at = 0, greater = entries.Length;
            while (at < greater)
            {
                int key = KeyAt(entries[at], keys, depth);
                if (key < pivot)
                {
                    (entries[less], entries[at]) = (entries[at], entries[less]);
                    less++;
                    at++;
                }
                else if (key > pivot)
                {
                    greater--;
                    (entries[greater], entries[at]) = (entries[at], entries[greater]);
                }
                else
                {
                    at++;
                }
            }
            SortByKeys(entries[..less], keys, depth);
            SortByKeys(entries[greater..], keys, depth);
            entries = entries[less..greater];
            if (pivot < 0)
            {
                break; // all the same but for case
            }
            depth++;
        }
        for (int i = 1; i < entries.Length; i++)
        {
            Entry entry = entries[i];
            int at = i;
            for (; at > 0 && Compare(NameOf(entries[at - 1]), NameOf(entry)) > 0; at--)
            {
                entries[at] = entries[at - 1];
            }
            entries[at] = entry;
        }
    }

    private ReadOnlySpan<char> NameOf(in Entry entry) => _names.AsSpan(entry.Offset, entry.Length);

    private static int KeyAt(in Entry entry, char[] keys, int depth) => depth < entry.Length ? keys[entry.Offset + depth] : -1;
}
