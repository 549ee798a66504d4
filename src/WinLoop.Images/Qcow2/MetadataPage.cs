namespace WinLoop.Images.Qcow2;

/// <summary>A part of an L2 table or of a refcount block in memory. Owned by a <see cref="PageCache"/>.</summary>
/// <param name="wordCount">64-bit words of it.</param>
internal sealed class MetadataPage(int wordCount)
{
    private readonly ulong[] _words = new ulong[wordCount];
    private long _offset = -1;
    private int _version;

    /// <summary>First byte in the file.</summary>
    public long Offset => Volatile.Read(ref _offset);

    /// <summary>It has to be written. Under the cache's lock.</summary>
    public bool IsDirty { get; set; }

    /// <summary>It is being written, and the file may not have it yet. Under the cache's lock.</summary>
    public bool IsBusy { get; set; }

    /// <summary>A word, for the holder of the map lock.</summary>
    public ulong this[int index]
    {
        get => Volatile.Read(ref _words[index]);
        set => Volatile.Write(ref _words[index], value);
    }

    /// <summary>The words, for the cache.</summary>
    public Span<ulong> Words => _words;

    /// <summary>Reads a word without a lock.</summary>
    /// <returns>False: the page is another one, or became one meanwhile.</returns>
    public bool TryRead(long offset, int index, out ulong word)
    {
        int version = Volatile.Read(ref _version);
        word = 0;
        if ((version & 1) != 0 || Volatile.Read(ref _offset) != offset)
        {
            return false;
        }

        word = Volatile.Read(ref _words[index]);
        return Volatile.Read(ref _version) == version;
    }

    /// <summary>From here to <see cref="EndRefill"/> nobody can read it.</summary>
    public void BeginRefill()
    {
        Interlocked.Increment(ref _version);
        Volatile.Write(ref _offset, -1);
    }

    /// <summary>It is the page at an offset from now on; -1: none.</summary>
    public void EndRefill(long offset)
    {
        Volatile.Write(ref _offset, offset);
        Interlocked.Increment(ref _version);
    }
}
