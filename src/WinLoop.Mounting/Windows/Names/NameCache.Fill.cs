using WinLoop.Ext4;

namespace WinLoop.Mounting.Windows.Names;

// What happens on a miss: the volume is asked, the exact spelling first, then any other.
internal sealed partial class NameCache
{
    private readonly Lock _indexLock = new();
    private readonly LinkedList<(DirectoryNames Names, FoldedIndex Index)> _indexes = new();

    private enum Outcome
    {
        Found, Nothing, AskIndex,
    }

    // The caller has a pin on the parent; the answer is pinned.
    private Dentry? Fill(Dentry parent, ReadOnlySpan<char> name, int hash)
    {
        DirectoryNames names = parent.Directory ?? throw new Ext4Exception(Errno.ENOTDIR, "not a directory");
        int sequence = names.Sequence;
        if ((sequence & 1) == 0 && (_isCaseSensitive || names.Index is null))
        {
            Outcome outcome = AskVolume(parent, name, out Inode? inode);
            if (outcome == Outcome.Found || (outcome == Outcome.Nothing && _isCaseSensitive))
            {
                if (TryPublish(parent, name, name, hash, sequence, inode, out Dentry? dentry))
                {
                    return dentry;
                }
            }
            else if (outcome == Outcome.Nothing)
            {
                // A name that cannot be on the volume in any spelling is not worth an entry.
                return null;
            }
        }
        // Others change the directory, or all of its names matter.
        lock (names.ChangeLock)
        {
            return FillLocked(parent, name, hash);
        }
    }

    private Dentry? FillLocked(Dentry parent, ReadOnlySpan<char> name, int hash)
    {
        if (Search(parent, name, hash) is { } entry && (entry.Target is null || entry.Target.TryPin()))
        {
            return entry.Target;
        }
        DirectoryNames names = parent.Directory!;
        Inode? inode = null;
        ReadOnlySpan<char> actual = name;
        if (_isCaseSensitive)
        {
            AskVolume(parent, name, out inode);
        }
        else
        {
            actual = IndexOf(parent) is { } index ? index.Find(name) : Scan(parent, name);
            if (!actual.IsEmpty)
            {
                AskVolume(parent, actual, out inode);
            }
            else
            {
                actual = name;
            }
        }
        // Nobody else changes the directory now, and whoever does never looks up a name in the middle of it.
        return TryPublish(parent, name, actual, hash, names.Sequence, inode, out Dentry? dentry) && (names.Sequence & 1) == 0
            ? dentry
            : throw new InvalidOperationException("A name was looked up in the middle of a change.");
    }

    private Outcome AskVolume(Dentry parent, ReadOnlySpan<char> name, out Inode? inode)
    {
        inode = null;
        Span<byte> bytes = stackalloc byte[WindowsName.MaxLength];
        int length = WindowsName.Encode(name, bytes);
        if (length < 0)
        {
            // Too long as it is, yet a spelling of other case may have fewer bytes; otherwise there is no such name.
            return _isCaseSensitive || name.Length is 0 or > WindowsName.MaxLength ? Outcome.Nothing : Outcome.AskIndex;
        }
        inode = _volume.Lookup(parent.Inode, bytes[..length]);
        return inode is not null ? Outcome.Found : _isCaseSensitive ? Outcome.Nothing : Outcome.AskIndex;
    }

    // Puts an answer into the table unless the directory has changed; takes over the reference to the inode.
    private bool TryPublish(Dentry parent, ReadOnlySpan<char> spelling, ReadOnlySpan<char> actual, int hash, int sequence, Inode? inode,
        out Dentry? dentry)
    {
        dentry = null;
        Inode? spare = inode;
        bool isPublished = false;
        lock (StripeOf(hash))
        {
            if (parent.Directory!.Sequence == sequence)
            {
                isPublished = true;
                if (inode is not null)
                {
                    dentry = Search(parent, actual, hash)?.Target;
                    if (dentry is null)
                    {
                        dentry = new Dentry(parent, actual.ToString(), inode) { IsHashed = true };
                        spare = null;
                        parent.Pin();
                        Insert(new NameEntry(parent, dentry.Place.Name, hash, dentry));
                    }
                    dentry.Pin(); // under the stripe lock nothing that is hashed is retired
                }
                if (!spelling.SequenceEqual(actual) || inode is null)
                {
                    if (Search(parent, spelling, hash) is null)
                    {
                        Insert(new NameEntry(parent, spelling.ToString(), hash, dentry));
                    }
                }
            }
        }
        if (spare is not null)
        {
            _volume.Release(spare);
        }
        if (isPublished)
        {
            EvictIfFull();
        }
        return isPublished;
    }

    // The folded index of a directory, made if need be; null if the directory is too large for one. Under the
    // directory's change lock.
    private FoldedIndex? IndexOf(Dentry parent)
    {
        DirectoryNames names = parent.Directory!;
        FoldedIndex? index = Volatile.Read(ref names.Index);
        if (index is not null || names.IsTooLarge)
        {
            return index;
        }
        index = new FoldedIndex();
        bool isComplete = true;
        char[] decoded = new char[WindowsName.MaxLength];
        _volume.ReadDirectory(parent.Inode, 0, (name, _, _, _) =>
        {
            if (name is not [(byte)'.'] and not [(byte)'.', (byte)'.'])
            {
                index.Add(new string(decoded, 0, WindowsName.Decode(name, decoded)));
                isComplete = index.Count < _indexedNames;
            }
            return isComplete;
        });
        if (!isComplete)
        {
            names.IsTooLarge = true;
            return null;
        }
        names.HasTwins |= index.HasTwins;
        Volatile.Write(ref names.Index, index);
        BoundIndexes(names, index);
        return index;
    }

    /// <summary>True if a path that differs in case only may lead to another file: something on the way is known to have a
    /// twin.</summary>
    public bool MayHaveTwin(Dentry dentry)
    {
        for (DentryPlace place = dentry.Place; place.Parent is { } parent; place = parent.Place)
        {
            if (parent.Directory is { HasTwins: true } names)
            {
                lock (names.ChangeLock)
                {
                    if (IndexOf(parent) is not { } index || index.IsTwin(place.Name))
                    {
                        return true;
                    }
                }
            }
        }
        return false;
    }

    // The oldest indexes go until the rest is small enough; an owner that works with one just now ends with it.
    private void BoundIndexes(DirectoryNames names, FoldedIndex index)
    {
        lock (_indexLock)
        {
            _indexes.AddLast((names, index));
            long total = 0;
            foreach ((DirectoryNames _, FoldedIndex each) in _indexes)
            {
                total += each.Count + 16;
            }
            while (total > _indexBudget && _indexes.First is { } oldest && oldest != _indexes.Last)
            {
                total -= oldest.Value.Index.Count + 16;
                Interlocked.CompareExchange(ref oldest.Value.Names.Index, null, oldest.Value.Index);
                _indexes.RemoveFirst();
            }
        }
    }

    // For a directory without an index: all names are looked at.
    private ReadOnlySpan<char> Scan(Dentry parent, ReadOnlySpan<char> name)
    {
        string wanted = name.ToString();
        string? best = null;
        char[] decoded = new char[WindowsName.MaxLength];
        _volume.ReadDirectory(parent.Inode, 0, (bytes, _, _, _) =>
        {
            Span<char> found = decoded.AsSpan(0, WindowsName.Decode(bytes, decoded));
            if (NameCase.FoldedEquals(found, wanted))
            {
                string candidate = found.ToString();
                if (candidate == wanted)
                {
                    best = candidate;
                    return false;
                }
                parent.Directory!.HasTwins |= best is not null;
                best = best is null || NameComparer.CompareBytes(candidate, best) < 0 ? candidate : best;
            }
            return true;
        });
        return best;
    }
}
