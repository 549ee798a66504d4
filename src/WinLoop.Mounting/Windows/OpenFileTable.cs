using WinLoop.Mounting.Windows.Names;

namespace WinLoop.Mounting.Windows;

/// <summary>The files that are open, by the folded form of their paths: counted, listed for the end of the mount, and
/// kept apart from files whose paths differ in case only.</summary>
/// <remarks>The driver of an insensitive volume knows open files by their folded paths. Two files behind one such path
/// (Linux can make them) would share sizes, caches and locks there, and one's late writes would end in the other. So of
/// them only one is open at a time.</remarks>
internal sealed class OpenFileTable(bool isCaseSensitive)
{
    private const int Buckets = 1024, Stripes = 64;

    private readonly WindowsFile?[] _first = new WindowsFile?[Buckets];
    private readonly Lock[] _stripes = [.. Enumerable.Range(0, Stripes).Select(_ => new Lock())];
    private int _count;

    /// <summary>Files that are open now.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Of the folded path.</summary>
    public static int HashOf(Dentry dentry)
    {
        int hash = 0;
        for (DentryPlace place = dentry.Place; place.Parent is { } parent; place = parent.Place)
        {
            hash = (hash * 31) + place.FoldedHash;
        }
        return hash;
    }

    /// <summary>Adds a file; false if another file is open whose path differs in case only.</summary>
    public bool TryAdd(WindowsFile file)
    {
        int hash = HashOf(file.Dentry);
        lock (StripeOf(hash))
        {
            for (WindowsFile? other = isCaseSensitive ? null : BucketOf(hash); other is not null; other = other.Next)
            {
                if (other.PathHash == hash && AreTwins(file, other))
                {
                    return false;
                }
            }
            Link(file, hash);
        }
        Interlocked.Increment(ref _count);
        return true;
    }

    public void Remove(WindowsFile file)
    {
        while (true)
        {
            int hash = Volatile.Read(ref file.PathHash);
            lock (StripeOf(hash))
            {
                if (file.PathHash != hash)
                {
                    continue; // renamed meanwhile
                }
                Unlink(file);
            }
            Interlocked.Decrement(ref _count);
            return;
        }
    }

    /// <summary>A name has moved: whoever has it open goes with it. The driver moves no directory with open files below.</summary>
    /// <param name="dentry">The name, where it is now.</param>
    /// <param name="oldHash">Its hash before.</param>
    public void Moved(Dentry dentry, int oldHash)
    {
        int newHash = HashOf(dentry);
        if (newHash == oldHash)
        {
            return;
        }
        (Lock first, Lock second) = (StripeOf(oldHash), StripeOf(newHash));
        if ((oldHash & (Stripes - 1)) > (newHash & (Stripes - 1)))
        {
            (first, second) = (second, first);
        }
        lock (first)
        {
            lock (second)
            {
                for (WindowsFile? file = BucketOf(oldHash); file is not null;)
                {
                    WindowsFile? next = file.Next;
                    if (file.PathHash == oldHash && ReferenceEquals(file.Dentry, dentry))
                    {
                        Unlink(file);
                        Link(file, newHash);
                    }
                    file = next;
                }
            }
        }
    }

    /// <summary>All of them now.</summary>
    public List<WindowsFile> Snapshot()
    {
        var files = new List<WindowsFile>();
        for (int bucket = 0; bucket < Buckets; bucket++)
        {
            lock (StripeOf(bucket))
            {
                for (WindowsFile? file = _first[bucket]; file is not null; file = file.Next)
                {
                    files.Add(file);
                }
            }
        }
        return files;
    }

    // Not two names of one file, and not one whose name is gone: the driver forgets it then.
    private static bool AreTwins(WindowsFile file, WindowsFile other) =>
        !ReferenceEquals(file.Dentry, other.Dentry) && !ReferenceEquals(file.Inode, other.Inode)
        && file.Dentry.IsHashed && other.Dentry.IsHashed && HaveSamePath(file.Dentry, other.Dentry);

    private static bool HaveSamePath(Dentry a, Dentry b)
    {
        while (!ReferenceEquals(a, b))
        {
            (DentryPlace left, DentryPlace right) = (a.Place, b.Place);
            if (left.Parent is null || right.Parent is null || !NameCase.FoldedEquals(left.Name, right.Name))
            {
                return false;
            }
            (a, b) = (left.Parent, right.Parent);
        }
        return true;
    }

    private Lock StripeOf(int hash) => _stripes[hash & (Stripes - 1)];

    private ref WindowsFile? BucketOf(int hash) => ref _first[hash & (Buckets - 1)];

    private void Link(WindowsFile file, int hash)
    {
        ref WindowsFile? first = ref BucketOf(hash);
        file.PathHash = hash;
        file.Next = first;
        if (first is not null)
        {
            first.Previous = file;
        }
        first = file;
    }

    private void Unlink(WindowsFile file)
    {
        if (file.Previous is { } previous)
        {
            previous.Next = file.Next;
        }
        else
        {
            BucketOf(file.PathHash) = file.Next;
        }
        if (file.Next is { } next)
        {
            next.Previous = file.Previous;
        }
        file.Next = file.Previous = null;
    }
}
