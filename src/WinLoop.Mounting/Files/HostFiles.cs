using System.Text;
using WinLoop.Mounting.Linux;

namespace WinLoop.Mounting.Files;

/// <summary>Files of the host.</summary>
public static class HostFiles
{
    /// <summary>What a path names; null if there is nothing.</summary>
    /// <param name="path">As the user wrote it.</param>
    /// <param name="followLink">If it is a link, what it leads to.</param>
    public static FileNode? Open(string path, bool followLink)
    {
        if (OperatingSystem.IsWindows())
        {
            PortableNode? found = PortableNode.Open(path);
            return found is not null && followLink && File.ResolveLinkTarget(path, returnFinalTarget: true) is { } target
                ? PortableNode.Open(target.FullName)
                : found;
        }
        LinuxNode? node = LinuxNode.Open(Encoding.UTF8.GetBytes(path));
        return node is not null && followLink && node.Facts.Kind == FileKind.Symlink
            ? Native.RealPath(path) is { } real ? LinuxNode.Open(Encoding.UTF8.GetBytes(real)) : null
            : node;
    }
}
