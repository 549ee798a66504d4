using WinLoop.Ext4;
using WinLoop.Mounting.Windows.Names;

namespace WinLoop.Mounting.Windows;

/// <summary>One open file, directory or stream.</summary>
public sealed class WindowsFile
{
    private readonly NameCache _names;
    private readonly bool _isCaseSensitive;
    private int _isClosed;

    internal WindowsFile(NameCache names, bool isCaseSensitive, Dentry dentry, Inode inode, string? stream)
    {
        _names = names;
        _isCaseSensitive = isCaseSensitive;
        Dentry = dentry;
        Inode = inode;
        Stream = stream;
        IsDirectory = inode.IsDirectory && stream is null;
    }

    /// <summary>Windows must not cache this open's data: another name or another open sees it too (hard links,
    /// streams), or a name that differs in case only must not find it.</summary>
    public bool DisableCache { get; internal set; }

    /// <summary>The process that opened it, as the host knows it; 0 if that is not known.</summary>
    public uint ProcessId { get; set; }

    /// <summary>True for a directory.</summary>
    public bool IsDirectory { get; internal set; }

    /// <summary>The name it was opened by, pinned.</summary>
    internal Dentry Dentry { get; }

    /// <summary>What was opened, with a reference of its own: the name may be deleted or name something else.</summary>
    internal Inode Inode { get; set; }

    /// <summary>The stream's name; null for the file's own content.</summary>
    internal string? Stream { get; set; }

    /// <summary>Marked by SetDelete or FILE_DELETE_ON_CLOSE: deleted at the end of the mount, should Cleanup not come.</summary>
    internal bool IsMarkedForDeletion { get; set; }

    /// <summary>Cleanup has come.</summary>
    internal bool IsCleanedUp { get; set; }

    /// <summary>The program set the time of the last write: what it writes through this open leaves it alone.</summary>
    internal bool KeepsWriteTime { get; set; }

    /// <summary>The listing in progress.</summary>
    internal DirectorySnapshot? Listing { get; set; }

    /// <summary>Where the last page of the listing ended.</summary>
    internal int ListingPosition { get; set; }

    // Of the table of open files.
    internal int PathHash;
    internal WindowsFile? Next, Previous;

    /// <summary>Copies the name as it is on the volume, from the root, with <c>\</c>; returns its length, −1 if the
    /// buffer is too small or the volume is case-sensitive.</summary>
    public int CopyNormalizedName(Span<char> buffer) => _isCaseSensitive ? -1 : CopyName(buffer);

    /// <summary>As <see cref="CopyNormalizedName"/>, on any volume; for messages.</summary>
    public int CopyName(Span<char> buffer)
    {
        for (int attempt = 0; ; attempt++)
        {
            int moves = _names.Moves;
            int length = CopyNameOnce(buffer);
            // A move of a directory above changes one place at a time; a name made of two states is nobody's.
            if (_names.Moves == moves || attempt == 8)
            {
                return length;
            }
        }
    }

    private int CopyNameOnce(Span<char> buffer)
    {
        // Built from the end, then moved to the start.
        int at = buffer.Length;
        if (Stream is { } stream)
        {
            if (!Prepend(stream, ':', buffer, ref at))
            {
                return -1;
            }
        }
        DentryPlace place = Dentry.Place;
        if (place.Parent is null && !Prepend("", '\\', buffer, ref at))
        {
            return -1;
        }
        for (; place.Parent is { } parent; place = parent.Place)
        {
            if (!Prepend(place.Name, '\\', buffer, ref at))
            {
                return -1;
            }
        }
        buffer[at..].CopyTo(buffer);
        return buffer.Length - at;
    }

    private static bool Prepend(string name, char separator, Span<char> buffer, ref int at)
    {
        at -= name.Length + 1;
        if (at < 0)
        {
            return false;
        }
        buffer[at] = separator;
        name.CopyTo(buffer[(at + 1)..]);
        return true;
    }

    /// <summary>True for the first caller.</summary>
    internal bool TryClose() => Interlocked.Exchange(ref _isClosed, 1) == 0;
}
