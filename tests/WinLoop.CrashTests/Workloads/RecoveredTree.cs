using System.Text;
using WinLoop.Ext4;
using WinLoop.Ext4.Format;

namespace WinLoop.CrashTests;

/// <summary>Everything that a mounted volume shows.</summary>
internal static class RecoveredTree
{
    /// <summary>An entry with its times, which only the kernel's view of the same state is compared with.</summary>
    public sealed record Item(TreeEntry Entry, string Times);

    public static Dictionary<string, Item> Read(Ext4Volume volume)
    {
        var items = new Dictionary<string, Item> { [TreeEntry.LabelPath] = new(new TreeEntry(0, volume.Label, null), "") };
        var pending = new Stack<(string Path, Inode Inode)>();
        pending.Push(("", volume.GetInode(Ext4Volume.RootInode)));
        while (pending.TryPop(out var item))
        {
            (string path, Inode inode) = item;
            items.Add(path, ReadItem(volume, path, inode));
            if (inode.IsDirectory)
            {
                foreach (string name in Names(volume, inode))
                {
                    if (path.Length != 0 || name != "lost+found")
                    {
                        Inode child = volume.Lookup(inode, EngineDriver.Bytes(name)) ??
                            throw new InvalidOperationException($"'{path}/{name}' is listed and not found");
                        pending.Push((path.Length == 0 ? name : path + "/" + name, child));
                    }
                }
            }
            volume.Release(inode);
        }
        return items;
    }

    public static List<string> Names(Ext4Volume volume, Inode directory)
    {
        var names = new List<string>();
        volume.ReadDirectory(directory, 0, (name, _, _, _) =>
        {
            string text = Encoding.UTF8.GetString(name);
            if (text is not ("." or ".."))
            {
                names.Add(text);
            }
            return true;
        });
        return names;
    }

    private static Item ReadItem(Ext4Volume volume, string path, Inode inode)
    {
        WinLoop.Ext4.FileAttributes a = volume.GetAttributes(inode);
        Span<byte> buffer = stackalloc byte[4096];
        string target = inode.IsSymlink ? Encoding.UTF8.GetString(buffer[..volume.ReadLink(inode, buffer)]) : "";
        uint links = path.Length == 0 ? a.Links - 1 : a.Links; // lost+found
        string line = TreeEntry.MakeLine(a.Mode, links, a.Uid, a.Gid, a.Device, a.Flags, target, Attributes(volume, inode));
        byte[]? content = null;
        if (inode.IsRegular)
        {
            if (a.Size > 64 << 20)
            {
                throw new InvalidOperationException($"'{path}' has {a.Size} bytes");
            }
            content = new byte[a.Size];
            int count = volume.Read(inode, content, 0);
            if (count != content.Length)
            {
                throw new InvalidOperationException($"'{path}' gives {count} of {content.Length} bytes");
            }
        }
        string times = $"a{Text(a.AccessTime)} m{Text(a.ModifyTime)} c{Text(a.ChangeTime)}";
        return new Item(new TreeEntry(0, line, content), times);
    }

    private static string Text(Timestamp time) => $"{time.Seconds}.{time.Nanoseconds:d9}";

    private static List<KeyValuePair<string, byte[]>> Attributes(Ext4Volume volume, Inode inode)
    {
        var attributes = new List<KeyValuePair<string, byte[]>>();
        if (!volume.HasExtendedAttributes(inode))
        {
            return attributes;
        }
        byte[] list = new byte[4096], value = new byte[65536];
        int length = volume.ListExtendedAttributes(inode, list);
        foreach (string name in Encoding.UTF8.GetString(list, 0, length).Split('\0', StringSplitOptions.RemoveEmptyEntries))
        {
            int size = volume.GetExtendedAttribute(inode, EngineDriver.Bytes(name), value);
            attributes.Add(new(name, value[..size]));
        }
        return attributes;
    }
}
