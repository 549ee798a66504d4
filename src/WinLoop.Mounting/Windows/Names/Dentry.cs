using WinLoop.Ext4;

namespace WinLoop.Mounting.Windows.Names;

/// <summary>Where a dentry is: replaced as a whole, so that a reader never sees half of a move.</summary>
internal sealed record DentryPlace(Dentry? Parent, string Name)
{
    /// <summary>Of the name alone; equal for names that differ in case only.</summary>
    public int FoldedHash { get; } = NameCase.FoldedHash(Name);
}

/// <summary>
/// A name that is in memory together with what it names. There is one object for every name in use, whatever spelling it
/// was asked for by, so that open files follow the renames of all directories above them.
/// </summary>
/// <remarks>
/// A dentry holds a reference to its inode and a pin on its parent. Pins are held by open files, by children and by
/// whoever is working with it; one without pins stays in the cache until it is evicted. Names never change in a dentry
/// without the change lock of its directory.
/// </remarks>
internal sealed class Dentry
{
    // Below zero by far: taken out of the cache, takes no new pins.
    private const int Retired = int.MinValue / 2;

    private static int s_lastId;

    private int _pins;
    private volatile DentryPlace _place;
    private volatile Inode _inode;

    public Dentry(Dentry? parent, string name, Inode inode)
    {
        Id = Interlocked.Increment(ref s_lastId);
        _place = new DentryPlace(parent, name);
        _inode = inode;
        Directory = inode.IsDirectory ? new DirectoryNames() : null;
    }

    /// <summary>Salt of the children's hashes.</summary>
    public int Id { get; }

    /// <summary>Parent and name now. The parent of the root is null.</summary>
    public DentryPlace Place
    {
        get => _place;
        set => _place = value;
    }

    /// <summary>What the name names.</summary>
    public Inode Inode
    {
        get => _inode;
        set => _inode = value;
    }

    /// <summary>What the name named before; kept as long as the object, because a reader may just be taking its own
    /// reference.</summary>
    public List<Inode>? Superseded { get; set; }

    /// <summary>What a directory knows of its names; null for others.</summary>
    public DirectoryNames? Directory { get; set; }

    /// <summary>True while a lookup of the name finds this object; false once the name is gone.</summary>
    public volatile bool IsHashed;

    /// <summary>Takes a pin; false if the object is on its way out and the name has to be looked up again.</summary>
    public bool TryPin()
    {
        int seen = Volatile.Read(ref _pins);
        while (seen >= 0)
        {
            int now = Interlocked.CompareExchange(ref _pins, seen + 1, seen);
            if (now == seen)
            {
                return true;
            }
            seen = now;
        }
        return false;
    }

    /// <summary>Takes another pin of somebody who has one.</summary>
    public void Pin() => Interlocked.Increment(ref _pins);

    /// <summary>Gives a pin back; true if nobody has one any more.</summary>
    public bool Unpin()
    {
        int left = Interlocked.Decrement(ref _pins);
        return left >= 0 ? left == 0 : throw new InvalidOperationException($"The name {_place.Name} was unpinned too often.");
    }

    /// <summary>Ends the object's life if nobody has a pin; the winner gives inode and parent back.</summary>
    public bool TryRetire() => Interlocked.CompareExchange(ref _pins, Retired, 0) == 0;
}

/// <summary>What a directory knows of its names.</summary>
internal sealed class DirectoryNames
{
    private int _sequence;

    /// <summary>Serialises changes of the directory's names, and lookups that need the folded index.</summary>
    public Lock ChangeLock { get; } = new();

    /// <summary>Even: no change is going on; every change adds 2.</summary>
    public int Sequence => Volatile.Read(ref _sequence);

    /// <summary>The names by their folded form; null until somebody misses a name, and after its eviction.</summary>
    public FoldedIndex? Index;

    /// <summary>The last listing, as long as somebody uses it or memory is not short; good while the sequence is its own.</summary>
    public WeakReference<DirectorySnapshot>? LastListing;

    /// <summary>Names were seen that differ in case only.</summary>
    public volatile bool HasTwins;

    /// <summary>The directory holds more names than an index may.</summary>
    public bool IsTooLarge;

    /// <summary>Announces a change; the caller holds <see cref="ChangeLock"/>.</summary>
    public void BeginChange() => Interlocked.Increment(ref _sequence);

    /// <summary>The change is done, in the directory and in the cache.</summary>
    public void EndChange() => Interlocked.Increment(ref _sequence);
}
