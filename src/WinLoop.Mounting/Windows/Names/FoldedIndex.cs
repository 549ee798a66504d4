namespace WinLoop.Mounting.Windows.Names;

/// <summary>
/// All names of one directory by their folded form. Of names that differ in case only the first in byte order is the
/// one that any other spelling finds. The owner's change lock guards it.
/// </summary>
internal sealed class FoldedIndex
{
    // The first name in byte order -> its twins in byte order, or null.
    private readonly Dictionary<string, List<string>?> _names = new(NameComparer.Folding);
    private readonly Dictionary<string, List<string>?>.AlternateLookup<ReadOnlySpan<char>> _bySpan;

    public FoldedIndex() => _bySpan = _names.GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>Names in the index, twins counted once.</summary>
    public int Count => _names.Count;

    /// <summary>There are names that differ in case only.</summary>
    public bool HasTwins { get; private set; }

    /// <summary>True if another name differs from this one in case only.</summary>
    public bool IsTwin(string name) => _names.TryGetValue(name, out List<string>? twins) && twins is not null;

    /// <summary>The name that a spelling means: itself if it is there, else the first twin; null if there is none.</summary>
    public string? Find(ReadOnlySpan<char> spelling)
    {
        if (!_bySpan.TryGetValue(spelling, out string? first, out List<string>? twins))
        {
            return null;
        }
        if (twins is not null)
        {
            foreach (string twin in twins)
            {
                if (spelling.SequenceEqual(twin))
                {
                    return twin;
                }
            }
        }
        return first;
    }

    /// <summary>Adds a name; adding it twice changes nothing.</summary>
    public void Add(string name)
    {
        if (_names.TryAdd(name, null))
        {
            return;
        }
        _bySpan.TryGetValue(name, out string? first, out List<string>? twins);
        if (first == name || twins?.Contains(name) == true)
        {
            return;
        }
        List<string> all = [first!, name];
        all.AddRange(twins ?? []);
        Put(all);
    }

    /// <summary>Removes a name.</summary>
    public void Remove(string name)
    {
        if (!_bySpan.TryGetValue(name, out string? first, out List<string>? twins) || (first != name && twins?.Contains(name) != true))
        {
            return;
        }
        List<string> left = [first!];
        left.AddRange(twins ?? []);
        left.Remove(name);
        Put(left, name);
    }

    private void Put(List<string> names, string? removed = null)
    {
        _names.Remove(removed ?? names[0]);
        if (names.Count > 0)
        {
            names.Sort(NameComparer.CompareBytes);
            HasTwins |= names.Count > 1;
            _names.Add(names[0], names.Count > 1 ? names[1..] : null);
        }
    }
}
