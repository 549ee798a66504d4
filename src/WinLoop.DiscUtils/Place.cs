using WinLoop.Ext4;

namespace WinLoop.DiscUtils;

/// <summary>What stands in the way of a path.</summary>
internal enum PlaceProblem
{
    None,
    MissingDirectory,
    NotADirectory,
    BadName,
    TooManyLinks,
}

/// <summary>Where a path leads: the directory and the name in it, and the inode of that name if there is one. Holds
/// references until it is disposed.</summary>
internal sealed class Place(Ext4Volume volume) : IDisposable
{
    private Inode? _directory, _inode;

    /// <summary>Why the path leads nowhere; all else is empty then.</summary>
    public PlaceProblem Problem { get; init; }

    /// <summary>The component that <see cref="Problem"/> is about.</summary>
    public string Component { get; init; } = "";

    /// <summary>The directory that has the name, or would get it.</summary>
    public Inode Directory
    {
        get => _directory ?? throw new InvalidOperationException("The path leads nowhere.");
        init => _directory = value;
    }

    /// <summary>The last component; empty for the root, and where a link ended in one of its own directories.</summary>
    public byte[] Name { get; init; } = [];

    /// <summary>The inode; null if the name does not exist.</summary>
    public Inode? Inode { get => _inode; init => _inode = value; }

    /// <summary>True if a directory, a file or a link is there.</summary>
    public bool Exists => _inode is not null;

    /// <summary>Gives the reference to the inode to the caller.</summary>
    public Inode TakeInode()
    {
        Inode inode = _inode ?? throw new InvalidOperationException("There is no inode.");
        _inode = null;
        return inode;
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _inode, null) is { } inode)
        {
            volume.Release(inode);
        }
        if (Interlocked.Exchange(ref _directory, null) is { } directory)
        {
            volume.Release(directory);
        }
    }
}
