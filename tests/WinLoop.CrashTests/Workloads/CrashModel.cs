using WinLoop.Ext4;
using WinLoop.Ext4.Format;

namespace WinLoop.CrashTests;

/// <summary>
/// What a workload has done, as simple as possible. It only follows operations of which the engine said that they
/// succeeded; what is right to succeed is tested elsewhere. After each step it can tell what every name shows.
/// </summary>
internal sealed class CrashModel
{
    /// <summary>A file, directory or other inode.</summary>
    internal sealed class Node(int id, ushort mode)
    {
        private TreeEntry? _entry;

        public readonly int Id = id;
        public ushort Mode = mode;
        public uint Links = 1, Uid, Gid, Device;
        public InodeFlags Flags;
        public string Target = "";
        public byte[] Content = [];
        public readonly SortedDictionary<string, byte[]> Attributes = new(StringComparer.Ordinal);
        public readonly SortedDictionary<string, Node> Children = new(StringComparer.Ordinal);

        /// <summary>The last step that changed anything but content, and the last that changed the size.</summary>
        public int LastChange, LastResize;

        public bool IsDirectory => (Mode & InodeMode.TypeMask) == InodeMode.Directory;
        public bool IsRegular => (Mode & InodeMode.TypeMask) == InodeMode.Regular;

        public TreeEntry Entry => _entry ??=
            new TreeEntry(Id, TreeEntry.MakeLine(Mode, Links, Uid, Gid, Device, Flags, Target, Attributes), IsRegular ? Content : null);

        public void Changed(int step)
        {
            LastChange = step;
            _entry = null;
        }

        public void Overwritten() => _entry = null;
    }

    private readonly Node _root = new(1, InodeMode.Directory | 0x1ED) { Links = 2 };
    private readonly Dictionary<string, Node> _held = [];
    private string _label = "";
    private int _lastId = 1;
    private int _step;

    /// <summary>False if times have seconds only: what is written over what is there may change no time, and then an fsync has
    /// nothing of the inode to commit.</summary>
    public bool HasFineTimes { get; set; } = true;

    /// <summary>The number that following changes are noted with.</summary>
    public int Step
    {
        get => _step;
        set => _step = value;
    }

    /// <summary>Every name and what it shows.</summary>
    public Dictionary<string, TreeEntry> Snapshot()
    {
        var entries = new Dictionary<string, TreeEntry> { [TreeEntry.LabelPath] = new TreeEntry(0, _label, null) };
        Visit("", _root);
        return entries;

        void Visit(string path, Node node)
        {
            entries[path] = node.Entry;
            foreach ((string name, Node child) in node.Children)
            {
                Visit(path.Length == 0 ? name : path + "/" + name, child);
            }
        }
    }

    /// <summary>What a path names.</summary>
    public Node Find(string path)
    {
        if (path.StartsWith('#'))
        {
            return _held[path];
        }
        Node node = _root;
        foreach (string part in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            node = node.Children[part];
        }
        return node;
    }

    private (Node Parent, string Name) Parent(string path)
    {
        int slash = path.LastIndexOf('/');
        return (Find(slash < 0 ? "" : path[..slash]), path[(slash + 1)..]);
    }

    public Node Add(string path, ushort mode, uint device = 0, string target = "")
    {
        (Node parent, string name) = Parent(path);
        var node = new Node(++_lastId, mode) { Device = device, Target = target };
        if (node.IsDirectory)
        {
            node.Links = 2;
            parent.Links++;
        }
        parent.Children.Add(name, node);
        node.Changed(_step);
        parent.Changed(_step);
        return node;
    }

    public void AddTemporary(string handle, ushort mode)
    {
        _held[handle] = new Node(++_lastId, mode) { Links = 0 };
        _held[handle].Changed(_step);
    }

    public void Hold(string path, string handle) => _held[handle] = Find(path);

    public void Link(string from, string to)
    {
        Node node = Find(from);
        (Node parent, string name) = Parent(to);
        parent.Children.Add(name, node);
        node.Links++;
        node.Changed(_step);
        parent.Changed(_step);
    }

    public void Remove(string path)
    {
        (Node parent, string name) = Parent(path);
        Node node = parent.Children[name];
        parent.Children.Remove(name);
        Drop(node, parent);
        parent.Changed(_step);
    }

    private void Drop(Node node, Node parent)
    {
        if (node.IsDirectory)
        {
            node.Links = 0;
            parent.Links--;
        }
        else
        {
            node.Links--;
        }
        node.Changed(_step);
    }

    public void Rename(string from, string to, RenameFlags flags)
    {
        (Node oldParent, string oldName) = Parent(from);
        (Node newParent, string newName) = Parent(to);
        Node source = oldParent.Children[oldName];
        newParent.Children.TryGetValue(newName, out Node? target);
        if (ReferenceEquals(source, target))
        {
            return;
        }
        if (flags == RenameFlags.Exchange)
        {
            oldParent.Children[oldName] = target!;
            Move(target!, newParent, oldParent);
        }
        else
        {
            oldParent.Children.Remove(oldName);
            if (target is not null)
            {
                Drop(target, newParent);
            }
            if (flags == RenameFlags.Whiteout)
            {
                oldParent.Children[oldName] = new Node(++_lastId, InodeMode.CharDevice);
                oldParent.Children[oldName].Changed(_step);
            }
        }
        newParent.Children[newName] = source;
        Move(source, oldParent, newParent);
        oldParent.Changed(_step);
        newParent.Changed(_step);
    }

    private void Move(Node node, Node from, Node to)
    {
        if (node.IsDirectory)
        {
            from.Links--;
            to.Links++;
        }
        node.Changed(_step);
    }

    /// <summary>Another inode under the same name.</summary>
    public void Replace(string path, ushort type, string target)
    {
        (Node parent, string name) = Parent(path);
        Node old = parent.Children[name];
        bool isLink = type == InodeMode.Symlink;
        var node = new Node(++_lastId, (ushort)(type | (isLink ? 0x1FF : old.Mode & 0x1FF))) { Uid = old.Uid, Gid = old.Gid, Target = target };
        parent.Children[name] = node;
        node.Changed(_step);
        Drop(old, parent);
        parent.Changed(_step);
    }

    /// <summary>Another content, of perhaps another size.</summary>
    public void SetContent(string path, byte[] content)
    {
        Node node = Find(path);
        bool isResized = content.Length != node.Content.Length;
        if (isResized)
        {
            node.LastResize = _step;
        }
        node.Content = content;
        if (isResized || HasFineTimes)
        {
            node.Changed(_step);
        }
        else
        {
            node.Overwritten();
        }
    }

    public void SetLabel(string label) => _label = label;
}
