namespace WinLoop.Mounting.Windows.Names;

/// <summary>One answer of the name cache: a spelling in a directory, and the dentry that it means or that there is none.</summary>
internal sealed class NameEntry(Dentry parent, string spelling, int hash, Dentry? target)
{
    /// <summary>The next entry of the bucket. A removed entry keeps it, for readers that stand on it.</summary>
    public volatile NameEntry? Next;

    /// <summary>Second chance of the cache's clock.</summary>
    public volatile bool IsRecent = true;

    /// <summary>The directory.</summary>
    public Dentry Parent { get; } = parent;

    /// <summary>As it was asked for.</summary>
    public string Spelling { get; } = spelling;

    /// <summary>Of the directory and the folded spelling: all spellings of a name share a bucket.</summary>
    public int Hash { get; } = hash;

    /// <summary>What is there; null = nothing.</summary>
    public Dentry? Target { get; } = target;
}
