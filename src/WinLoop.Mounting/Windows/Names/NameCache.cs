using WinLoop.Ext4;

namespace WinLoop.Mounting.Windows.Names;

/// <summary>
/// The names of a volume in memory, found and missed ones, bounded. A hit takes no lock and allocates nothing.
/// </summary>
/// <remarks>
/// <para>One table of buckets; entries are immutable but for their link, so readers walk a bucket while others change it
/// under one of the stripe locks. All spellings of a name in a directory share a bucket: the canonical one, aliases of
/// other case, and negative ones. Hence a change of a name throws away all that its bucket says about that directory.</para>
/// <para>Why no stale answer stays: who changes a directory holds its change lock, makes its sequence odd, changes the
/// volume, then the table, and makes the sequence even again. Who misses reads the sequence, asks the volume, and puts the
/// answer into the table, under the stripe lock, only if the sequence is even and still the same. An answer that got in
/// before the sequence became odd is thrown away by the change, which takes the same stripe lock later; one that comes
/// after it sees the other sequence, and is asked again under the change lock. A hit on an entry that is just being
/// removed is a lookup that happened before the change.</para>
/// <para>Locks, in this order: rename lock (moves between directories, and of directories) - change locks of directories
/// (two only under the rename lock, by inode number) - the engine's locks - a stripe. No lock is held while content is
/// read or written.</para>
/// </remarks>
internal sealed partial class NameCache : IDisposable
{
    private const int Stripes = 64;
    private const int EvictionBudget = 256;

    private readonly Ext4Volume _volume;
    private readonly bool _isCaseSensitive;
    private readonly int _limit;
    private readonly int _indexedNames;
    private readonly int _indexBudget;
    private readonly NameEntry?[] _buckets;
    private readonly Lock[] _stripes = [.. Enumerable.Range(0, Stripes).Select(_ => new Lock())];
    private int _count;
    private int _hand;
    private int _evicting;
    private int _moves;

    public NameCache(Ext4Volume volume, WindowsOptions options)
    {
        _volume = volume;
        _isCaseSensitive = options.CaseSensitive;
        _limit = Math.Max(options.CachedNames, 64);
        _indexedNames = options.IndexedNames;
        _indexBudget = options.IndexBudget;
        _buckets = new NameEntry?[(int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Min(_limit, 1 << 20))];
        Root = new Dentry(null, "", volume.GetInode(Ext4Volume.RootInode)) { IsHashed = true };
        Root.Pin();
    }

    /// <summary>The root; it is always pinned.</summary>
    public Dentry Root { get; }

    /// <summary>Held to move a directory, or a name from one directory to another.</summary>
    public Lock RenameLock { get; } = new();

    /// <summary>Entries now; may pass the bound by what is in use.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Counts moves of names, so that a reader of several places notices one.</summary>
    public int Moves => Volatile.Read(ref _moves);

    /// <summary>The pinned dentry of a name in a directory, null if there is none. False: the directory was evicted
    /// meanwhile, and the path has to be walked again.</summary>
    /// <param name="parent">A directory, pinned or not.</param>
    /// <param name="name">Any spelling.</param>
    /// <param name="dentry">Pinned; the caller gives the pin back.</param>
    public bool TryLookUp(Dentry parent, ReadOnlySpan<char> name, out Dentry? dentry)
    {
        int hash = HashOf(parent, name);
        while (true)
        {
            if (Search(parent, name, hash) is { } entry)
            {
                if (!entry.IsRecent)
                {
                    entry.IsRecent = true;
                }
                dentry = entry.Target;
                if (dentry is null || dentry.TryPin())
                {
                    return true;
                }
                Thread.Yield(); // retired a moment ago; its entries are just going
                continue;
            }
            if (!parent.TryPin())
            {
                dentry = null;
                return false;
            }
            try
            {
                dentry = Fill(parent, name, hash);
                return true;
            }
            finally
            {
                Unpin(parent);
            }
        }
    }

    /// <summary>The cached dentry of a name without a pin, for the way through a path.</summary>
    public bool TryPeek(Dentry parent, ReadOnlySpan<char> name, out Dentry? dentry)
    {
        if (Search(parent, name, HashOf(parent, name)) is { } entry)
        {
            dentry = entry.Target;
            return true;
        }
        dentry = null;
        return false;
    }

    /// <summary>Gives a pin back.</summary>
    public void Unpin(Dentry? dentry)
    {
        // Up to the root: the last pin of a name whose entry is gone gives its parent's pin back.
        while (dentry is not null && dentry.Unpin() && !dentry.IsHashed && dentry.TryRetire())
        {
            dentry = ReleaseInodes(dentry);
        }
    }

    /// <summary>Where a change of a directory begins and ends; the caller holds the change lock for all of its life.</summary>
    public readonly ref struct Change
    {
        private readonly DirectoryNames _names;

        public Change(Dentry directory)
        {
            _names = directory.Directory!;
            _names.BeginChange();
        }

        public void Dispose() => _names.EndChange();
    }

    /// <summary>A name was added to a directory; takes over a reference to the inode and returns the pinned dentry.
    /// Inside a <see cref="Change"/>.</summary>
    public Dentry Added(Dentry parent, string name, Inode inode)
    {
        parent.Directory!.Index?.Add(name);
        var dentry = new Dentry(parent, name, inode) { IsHashed = true };
        dentry.Pin();
        parent.Pin();
        int hash = HashOf(parent, name);
        lock (StripeOf(hash))
        {
            ForgetSpellings(parent, hash);
            Insert(new NameEntry(parent, name, hash, dentry));
        }
        EvictIfFull();
        return dentry;
    }

    /// <summary>The name of a dentry was removed. Inside a <see cref="Change"/>; the caller has a pin.</summary>
    public void Removed(Dentry dentry)
    {
        DentryPlace place = dentry.Place;
        place.Parent!.Directory!.Index?.Remove(place.Name);
        Unhash(dentry, place);
    }

    /// <summary>A dentry has a new place. Inside a <see cref="Change"/> of both directories; the caller has a pin, and
    /// removed the one that had the new name.</summary>
    public void Moved(Dentry dentry, Dentry newParent, string newName)
    {
        DentryPlace old = dentry.Place;
        old.Parent!.Directory!.Index?.Remove(old.Name);
        newParent.Directory!.Index?.Add(newName);
        Unhash(dentry, old);
        newParent.Pin();
        dentry.Place = new DentryPlace(newParent, newName);
        Interlocked.Increment(ref _moves);
        int hash = HashOf(newParent, newName);
        lock (StripeOf(hash))
        {
            ForgetSpellings(newParent, hash);
            dentry.IsHashed = true;
            Insert(new NameEntry(newParent, newName, hash, dentry));
        }
        Unpin(old.Parent);
        EvictIfFull();
    }

    /// <summary>The name of a dentry names another inode now; takes over the reference to it. Inside a <see cref="Change"/>.</summary>
    public void Replaced(Dentry dentry, Inode inode)
    {
        (dentry.Superseded ??= []).Add(dentry.Inode);
        dentry.Directory = inode.IsDirectory ? new DirectoryNames() : null;
        dentry.Inode = inode;
    }

    /// <summary>Gives all references back; nothing may be pinned any more.</summary>
    public void Dispose()
    {
        for (int bucket = 0; bucket < _buckets.Length; bucket++)
        {
            for (NameEntry? entry = Interlocked.Exchange(ref _buckets[bucket], null); entry is not null; entry = entry.Next)
            {
                if (entry.Target is { } target && ReferenceEquals(entry.Spelling, target.Place.Name))
                {
                    target.IsHashed = false;
                    if (target.TryRetire())
                    {
                        Unpin(ReleaseInodes(target));
                    }
                }
            }
        }
        Root.IsHashed = false;
        Unpin(Root);
    }

    // The last act of a retired dentry; returns its parent, whose pin the caller gives back.
    private Dentry? ReleaseInodes(Dentry dentry)
    {
        foreach (Inode inode in dentry.Superseded ?? [])
        {
            _volume.Release(inode);
        }
        _volume.Release(dentry.Inode);
        return dentry.Place.Parent;
    }

    private int HashOf(Dentry parent, ReadOnlySpan<char> name) =>
        HashCode.Combine(parent.Id, _isCaseSensitive ? string.GetHashCode(name) : NameCase.FoldedHash(name));

    private Lock StripeOf(int hash) => _stripes[hash & (Stripes - 1)];

    private ref NameEntry? BucketOf(int hash) => ref _buckets[hash & (_buckets.Length - 1)];

    private NameEntry? Search(Dentry parent, ReadOnlySpan<char> name, int hash)
    {
        for (NameEntry? entry = Volatile.Read(ref BucketOf(hash)); entry is not null; entry = entry.Next)
        {
            if (entry.Hash == hash && ReferenceEquals(entry.Parent, parent) && name.SequenceEqual(entry.Spelling))
            {
                return entry;
            }
        }
        return null;
    }

    // ---- under the stripe lock

    private void Insert(NameEntry entry)
    {
        ref NameEntry? bucket = ref BucketOf(entry.Hash);
        entry.Next = bucket;
        Volatile.Write(ref bucket, entry);
        Interlocked.Increment(ref _count);
    }

    // What other spellings meant, and that there was nothing.
    private void ForgetSpellings(Dentry parent, int hash)
    {
        Remove(hash, (parent, hash), static (entry, key) =>
            entry.Hash == key.hash && ReferenceEquals(entry.Parent, key.parent) && !IsCanonical(entry));
    }

    private void Unhash(Dentry dentry, DentryPlace place)
    {
        int hash = HashOf(place.Parent!, place.Name);
        lock (StripeOf(hash))
        {
            dentry.IsHashed = false;
            ForgetSpellings(place.Parent!, hash);
            Remove(hash, dentry, static (entry, target) => ReferenceEquals(entry.Target, target));
        }
    }

    private static bool IsCanonical(NameEntry entry) =>
        entry.Target is { } target && ReferenceEquals(entry.Spelling, target.Place.Name);

    private void Remove<T>(int hash, T key, Func<NameEntry, T, bool> isGone)
    {
        ref NameEntry? bucket = ref BucketOf(hash);
        NameEntry? previous = null;
        for (NameEntry? entry = bucket; entry is not null; entry = entry.Next)
        {
            if (!isGone(entry, key))
            {
                previous = entry;
                continue;
            }
            Interlocked.Decrement(ref _count);
            if (previous is null)
            {
                Volatile.Write(ref bucket, entry.Next);
            }
            else
            {
                previous.Next = entry.Next;
            }
        }
    }

    // ---- the bound

    private void EvictIfFull()
    {
        if (Volatile.Read(ref _count) <= _limit || Interlocked.Exchange(ref _evicting, 1) != 0)
        {
            return;
        }
        var victims = new List<Dentry>();
        for (int budget = EvictionBudget; budget > 0 && Volatile.Read(ref _count) > _limit; budget--)
        {
            EvictFromBucket(_hand, victims);
            _hand = (_hand + 1) & (_buckets.Length - 1);
        }
        Volatile.Write(ref _evicting, 0);
        foreach (Dentry dentry in victims)
        {
            Unpin(ReleaseInodes(dentry));
        }
    }

    private void EvictFromBucket(int bucket, List<Dentry> victims)
    {
        // The stripes divide the buckets, because both are powers of two.
        lock (StripeOf(bucket))
        {
            int first = victims.Count;
            Remove(bucket, victims, static (entry, victims) =>
            {
                if (entry.IsRecent)
                {
                    entry.IsRecent = false;
                    return false;
                }
                if (!IsCanonical(entry))
                {
                    return true;
                }
                if (!entry.Target!.TryRetire())
                {
                    return false;
                }
                entry.Target.IsHashed = false;
                victims.Add(entry.Target);
                return true;
            });
            for (int i = first; i < victims.Count; i++)
            {
                Remove(bucket, victims[i], static (entry, target) => ReferenceEquals(entry.Target, target));
            }
        }
    }
}
