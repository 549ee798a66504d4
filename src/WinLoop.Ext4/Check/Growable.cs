namespace WinLoop.Ext4.Check;

/// <summary>A list that keeps its storage when it is emptied, and hands it out.</summary>
internal sealed class Growable<T>
    where T : unmanaged
{
    private T[] _items = [];

    public int Count { get; private set; }

    public T[] Items => _items;

    public ref T this[int index] => ref _items[index];

    public Span<T> Span => _items.AsSpan(0, Count);

    public void Add(in T item)
    {
        if (Count == _items.Length)
        {
            Array.Resize(ref _items, Math.Max(64, _items.Length * 2));
        }
        _items[Count++] = item;
    }

    public void AddRange(ReadOnlySpan<T> items)
    {
        int old = Count;
        Reset(old + items.Length, keep: true);
        items.CopyTo(_items.AsSpan(old));
    }

    public void Clear() => Count = 0;

    /// <summary>Makes it <paramref name="count"/> zeroes, or grows it.</summary>
    public void Reset(int count, bool keep = false)
    {
        if (count > _items.Length)
        {
            if (keep)
            {
                Array.Resize(ref _items, Math.Max(count, _items.Length * 2));
            }
            else
            {
                _items = new T[count];
            }
        }
        if (!keep)
        {
            _items.AsSpan(0, count).Clear();
        }
        Count = count;
    }
}
