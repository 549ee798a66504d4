using System.IO.Enumeration;
using WinLoop.Ext4;
using WinLoop.Ext4.Format;

namespace WinLoop.DiscUtils;

// Tests for existence and listings.
public sealed partial class Ext4FileSystem
{
    /// <summary>True for a directory, also through a link.</summary>
    /// <exception cref="IOException">The volume is damaged or its device failed.</exception>
    public override bool DirectoryExists(string path)
    {
        using Place place = Walk(path, followLast: true);
        return place.Inode is { IsDirectory: true };
    }

    /// <summary>True for everything that is not a directory, links that lead to nothing included.</summary>
    /// <exception cref="IOException">The volume is damaged or its device failed.</exception>
    public override bool FileExists(string path)
    {
        using Place place = Walk(path, followLast: true);
        if (place.Exists)
        {
            return !place.Inode!.IsDirectory;
        }
        using Place link = Walk(path, followLast: false);
        return link.Inode is { IsDirectory: false };
    }

    /// <summary>Directories; links to directories are files here, so that no recursion leaves the tree or runs in circles.</summary>
    /// <inheritdoc/>
    public override IEnumerable<string> GetDirectories(string path, string searchPattern, SearchOption searchOption) =>
        Search(path, searchPattern, searchOption, directories: true, files: false);

    /// <summary>Everything that is not a directory.</summary>
    /// <inheritdoc/>
    public override IEnumerable<string> GetFiles(string path, string searchPattern, SearchOption searchOption) =>
        Search(path, searchPattern, searchOption, directories: false, files: true);

    /// <inheritdoc/>
    public override IEnumerable<string> GetFileSystemEntries(string path) => GetFileSystemEntries(path, "*");

    /// <inheritdoc/>
    public override IEnumerable<string> GetFileSystemEntries(string path, string searchPattern) =>
        GetFileSystemEntries(path, searchPattern, SearchOption.TopDirectoryOnly);

    /// <inheritdoc/>
    public override IEnumerable<string> GetFileSystemEntries(string path, string searchPattern, SearchOption searchOption) =>
        Search(path, searchPattern, searchOption, directories: true, files: true);

    // The first directory is read at once, so that a wrong path is told by the call; those below it when their turn comes.
    private IEnumerable<string> Search(string path, string pattern, SearchOption option, bool directories, bool files)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(pattern);
        if (option is not SearchOption.TopDirectoryOnly and not SearchOption.AllDirectories)
        {
            throw new ArgumentOutOfRangeException(nameof(option), option, "There is no such search option.");
        }
        // "*.*" means all names here, and case does not count in patterns, as everywhere in DiscUtils.
        string expression = FileSystemName.TranslateWin32Expression(pattern);
        return Search(path, List(path), expression, option == SearchOption.AllDirectories, directories, files);
    }

    private IEnumerable<string> Search(string path, List<Entry> entries, string expression, bool isDeep, bool directories, bool files)
    {
        var pending = new Stack<string>();
        while (true)
        {
            foreach (Entry entry in entries)
            {
                if ((entry.IsDirectory ? directories : files) && FileSystemName.MatchesWin32Expression(expression, entry.Name, ignoreCase: true))
                {
                    yield return DiscPath.Combine(path, entry.Name);
                }
            }
            if (!isDeep)
            {
                yield break;
            }
            for (int i = entries.Count - 1; i >= 0; i--)
            {
                if (entries[i].IsDirectory)
                {
                    pending.Push(DiscPath.Combine(path, entries[i].Name));
                }
            }
            List<Entry>? next = null;
            while (next is null)
            {
                if (!pending.TryPop(out string? below))
                {
                    yield break;
                }
                path = below;
                next = TryList(below);
            }
            entries = next;
        }
    }

    // A directory that was deleted during the search is left out.
    private List<Entry>? TryList(string path)
    {
        try
        {
            return List(path);
        }
        catch (DirectoryNotFoundException)
        {
            return null;
        }
    }

    private List<Entry> List(string path)
    {
        using Place place = FindDirectory(path);
        Inode directory = place.Inode!;
        var entries = new List<Entry>();
        var unknown = new List<(int Index, byte[] Name)>();
        try
        {
            _volume.ReadDirectory(directory, 0, (name, _, type, _) =>
            {
                if (name is not [(byte)'.'] and not [(byte)'.', (byte)'.'])
                {
                    if (type == DirectoryEntryType.Unknown)
                    {
                        unknown.Add((entries.Count, name.ToArray()));
                    }
                    entries.Add(new Entry(DiscPath.Decode(name), type == DirectoryEntryType.Directory));
                }
                return true;
            });
            // Volumes without the feature filetype: only the inode knows.
            foreach ((int index, byte[] name) in unknown)
            {
                if (_volume.Lookup(directory, name) is { } inode)
                {
                    entries[index] = entries[index] with { IsDirectory = inode.IsDirectory };
                    _volume.Release(inode);
                }
            }
        }
        catch (Ext4Exception e)
        {
            throw FailureMap.Explain(e, path, ReadOnlyReason);
        }
        return entries;
    }

    private readonly record struct Entry(string Name, bool IsDirectory);
}
