using WinLoop.Ext4;

namespace WinLoop.DiscUtils;

/// <summary>Walks paths through the directories and symbolic links of a volume.</summary>
internal sealed class PathWalker(Ext4Volume volume)
{
    // As fs/namei.c: so many links are followed on one way.
    private const int MaximumLinks = 40;

    /// <summary>Where a path leads. Links before the last component are followed.</summary>
    /// <param name="path">As DiscUtils writes it.</param>
    /// <param name="followLast">Follow the last component too. A link that leads to nothing leads to the place where its
    /// target would be.</param>
    /// <exception cref="IOException">The volume is damaged or its device failed.</exception>
    public Place Walk(string path, bool followLast)
    {
        var pending = new LinkedList<byte[]>();
        foreach (string part in DiscPath.Split(path))
        {
            if (DiscPath.Encode(part) is not { } bytes)
            {
                return Nowhere(PlaceProblem.BadName, part);
            }
            pending.AddLast(bytes);
        }
        var way = new List<Inode> { volume.GetInode(Ext4Volume.RootInode) };
        try
        {
            return Walk(pending, way, followLast);
        }
        finally
        {
            way.ForEach(inode => volume.Release(inode));
        }
    }

    private Place Walk(LinkedList<byte[]> pending, List<Inode> way, bool followLast)
    {
        int links = 0;
        byte[]? target = null;
        byte[] last = [];
        while (pending.First is { } first)
        {
            pending.RemoveFirst();
            byte[] name = first.Value;
            if (name is [(byte)'.'])
            {
                continue;
            }
            if (name is [(byte)'.', (byte)'.'])
            {
                DropLast(way, keep: 1);
                last = [];
                continue;
            }
            if (!way[^1].IsDirectory)
            {
                return Nowhere(PlaceProblem.NotADirectory, DiscPath.Decode(name));
            }
            if (volume.Lookup(way[^1], name) is not { } inode)
            {
                return pending.Count == 0 ? Take(way[^1], name, null) : Nowhere(PlaceProblem.MissingDirectory, DiscPath.Decode(name));
            }
            way.Add(inode);
            last = name;
            if (!inode.IsSymlink || (pending.Count == 0 && !followLast))
            {
                continue;
            }
            if (++links > MaximumLinks)
            {
                return Nowhere(PlaceProblem.TooManyLinks, DiscPath.Decode(name));
            }
            target ??= new byte[volume.Geometry.BlockSize];
            ReadOnlySpan<byte> leads = target.AsSpan(0, volume.ReadLink(inode, target));
            DropLast(way, keep: 1);
            last = [];
            if (leads is [(byte)'/', ..])
            {
                while (way.Count > 1)
                {
                    DropLast(way, keep: 1);
                }
            }
            Prepend(pending, leads);
        }
        return way.Count == 1 || last.Length == 0
            ? Take(way[Math.Max(0, way.Count - 2)], [], way[^1])
            : Take(way[^2], last, way[^1]);
    }

    private static void Prepend(LinkedList<byte[]> pending, ReadOnlySpan<byte> target)
    {
        LinkedListNode<byte[]>? before = null;
        foreach (Range range in target.Split((byte)'/'))
        {
            byte[] part = target[range].ToArray();
            if (part.Length > 0)
            {
                before = before is null ? pending.AddFirst(part) : pending.AddAfter(before, part);
            }
        }
    }

    private void DropLast(List<Inode> way, int keep)
    {
        if (way.Count > keep)
        {
            volume.Release(way[^1]);
            way.RemoveAt(way.Count - 1);
        }
    }

    private Place Take(Inode directory, byte[] name, Inode? inode)
    {
        volume.AddReference(directory);
        if (inode is not null)
        {
            volume.AddReference(inode);
        }
        return new Place(volume) { Directory = directory, Name = name, Inode = inode };
    }

    private Place Nowhere(PlaceProblem problem, string component) => new(volume) { Problem = problem, Component = component };
}
