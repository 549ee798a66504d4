using WinLoop.Mounting.Windows;

namespace WinLoop.Mounting.Tests.Windows;

/// <summary>What Windows expects of names, content and deletion, in memory and without any cleverness: directories are
/// lists that are searched from their start.</summary>
internal sealed class WindowsModel
{
    public sealed class Node(bool isDirectory)
    {
        public readonly bool IsDirectory = isDirectory;
        public readonly List<(string Name, Node Node)> Children = [];
        public byte[] Content = [];
        public uint Attributes = isDirectory ? DosAttributes.Directory : DosAttributes.Archive;
        public Node? Parent;
    }

    public Node Root { get; } = new(true);

    private static int IndexOf(Node directory, string name) =>
        directory.Children.FindIndex(child => string.Equals(child.Name, name, StringComparison.OrdinalIgnoreCase));

    public (NtStatus Status, Node? Node) Find(string path)
    {
        Node current = Root;
        string[] names = path.Split('\\', StringSplitOptions.RemoveEmptyEntries);
        for (int i = 0; i < names.Length; i++)
        {
            int index = current.IsDirectory ? IndexOf(current, names[i]) : -1;
            if (index < 0)
            {
                return (i == names.Length - 1 && current.IsDirectory ? NtStatus.ObjectNameNotFound : NtStatus.ObjectPathNotFound, null);
            }
            current = current.Children[index].Node;
        }
        return (NtStatus.Success, current);
    }

    private (NtStatus Status, Node? Parent, string Name) FindParent(string path)
    {
        int cut = path.LastIndexOf('\\');
        (NtStatus status, Node? parent) = Find(path[..cut]);
        return status == NtStatus.Success && parent!.IsDirectory
            ? (NtStatus.Success, parent, path[(cut + 1)..])
            : (NtStatus.ObjectPathNotFound, null, "");
    }

    public NtStatus Create(string path, bool isDirectory)
    {
        (NtStatus status, Node? parent, string name) = FindParent(path);
        if (status != NtStatus.Success)
        {
            return status;
        }
        if (IndexOf(parent!, name) >= 0)
        {
            return NtStatus.ObjectNameCollision;
        }
        parent!.Children.Add((name, new Node(isDirectory) { Parent = parent }));
        return NtStatus.Success;
    }

    public NtStatus Delete(string path)
    {
        (NtStatus status, Node? node) = Find(path);
        if (status != NtStatus.Success)
        {
            return status;
        }
        if (node!.Children.Count > 0)
        {
            return NtStatus.DirectoryNotEmpty;
        }
        node.Parent!.Children.RemoveAll(child => child.Node == node);
        return NtStatus.Success;
    }

    public NtStatus Rename(string path, string newPath, bool replace)
    {
        (NtStatus status, Node? node) = Find(path);
        if (status != NtStatus.Success)
        {
            return status;
        }
        (status, Node? parent, string name) = FindParent(newPath);
        if (status != NtStatus.Success)
        {
            return status;
        }
        int index = IndexOf(parent!, name);
        Node? target = index < 0 ? null : parent!.Children[index].Node;
        if (target is not null && target != node)
        {
            if (!replace)
            {
                return NtStatus.ObjectNameCollision;
            }
            if (target.IsDirectory || node!.IsDirectory)
            {
                return NtStatus.AccessDenied;
            }
        }
        for (Node? above = parent; above is not null; above = above.Parent)
        {
            if (above == node)
            {
                return NtStatus.InvalidParameter;
            }
        }
        parent!.Children.RemoveAll(child => child.Node == target);
        node!.Parent!.Children.RemoveAll(child => child.Node == node);
        node.Parent = parent;
        parent.Children.Add((name, node));
        return NtStatus.Success;
    }

    public NtStatus Write(string path, int offset, byte[] data, bool constrained)
    {
        (NtStatus status, Node? node) = Find(path);
        if (status != NtStatus.Success)
        {
            return status;
        }
        if (node!.IsDirectory)
        {
            return NtStatus.InvalidDeviceRequest;
        }
        int length = constrained ? Math.Clamp(node.Content.Length - offset, 0, data.Length) : data.Length;
        if (length > 0)
        {
            Array.Resize(ref node.Content, Math.Max(node.Content.Length, offset + length));
            data.AsSpan(0, length).CopyTo(node.Content.AsSpan(offset));
        }
        return NtStatus.Success;
    }

    public NtStatus SetSize(string path, int size)
    {
        (NtStatus status, Node? node) = Find(path);
        if (status != NtStatus.Success)
        {
            return status;
        }
        if (node!.IsDirectory)
        {
            return NtStatus.InvalidDeviceRequest;
        }
        Array.Resize(ref node.Content, size);
        return NtStatus.Success;
    }

    public NtStatus SetAttributes(string path, uint attributes)
    {
        (NtStatus status, Node? node) = Find(path);
        if (status == NtStatus.Success)
        {
            uint all = attributes | (node!.IsDirectory ? DosAttributes.Directory : 0);
            node.Attributes = all == 0 ? DosAttributes.Normal : all;
        }
        return status;
    }

    /// <summary>Every name with what it is, in the order of listings.</summary>
    public List<string> Dump()
    {
        var lines = new List<string>();
        Dump(Root, "", lines);
        return lines;
    }

    private static void Dump(Node directory, string path, List<string> lines)
    {
        foreach ((string name, Node node) in directory.Children.OrderBy(child => child.Name.ToUpperInvariant(), StringComparer.Ordinal))
        {
            lines.Add($"{path}\\{name} {node.Attributes:X} {Convert.ToHexString(System.Security.Cryptography.SHA1.HashData(node.Content))}");
            Dump(node, $"{path}\\{name}", lines);
        }
    }
}
