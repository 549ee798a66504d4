namespace WinLoop.Mounting.Windows;

/// <summary>What the Windows side keeps with an inode in memory: answers that would cost reading extended attributes or
/// walking a link's target each time.</summary>
internal sealed class InodeState
{
    private volatile StoredAttributes? _attributes;
    private int _version;
    private long _target = -1;

    /// <summary>What the extended attributes say; null if nobody has asked since they changed.</summary>
    public StoredAttributes? Attributes => _attributes;

    /// <summary>Counts changes; read it before reading what goes to <see cref="Publish"/>.</summary>
    public int Version => Volatile.Read(ref _version);

    /// <summary>Keeps an answer, unless the extended attributes have changed since <paramref name="version"/>.</summary>
    public void Publish(StoredAttributes attributes, int version)
    {
        lock (this)
        {
            if (_version == version)
            {
                _attributes = attributes;
            }
        }
    }

    /// <summary>The extended attributes have changed.</summary>
    public void Invalidate()
    {
        lock (this)
        {
            _version++;
            _attributes = null;
        }
    }

    /// <summary>Whether a link's target is a directory, as found when the tree was at <paramref name="treeVersion"/>.</summary>
    public bool TryGetTarget(int treeVersion, out bool isDirectory)
    {
        long target = Interlocked.Read(ref _target);
        isDirectory = (target & 1) != 0;
        return target >= 0 && (int)(target >> 1) == treeVersion;
    }

    /// <summary>Keeps what a link's target is.</summary>
    public void SetTarget(int treeVersion, bool isDirectory) =>
        Interlocked.Exchange(ref _target, ((long)(uint)treeVersion << 1) | (isDirectory ? 1L : 0L));
}

/// <summary>What the extended attributes of an inode say.</summary>
/// <param name="Dos">The bits in user.DOSATTRIB; null without one.</param>
/// <param name="CreateTime">The creation time in it, 0 if it has none.</param>
/// <param name="EaSize">What NTFS would count for the extended attributes that Windows sees.</param>
internal sealed record StoredAttributes(uint? Dos, ulong CreateTime, uint EaSize)
{
    public static readonly StoredAttributes None = new(null, 0, 0);
}
