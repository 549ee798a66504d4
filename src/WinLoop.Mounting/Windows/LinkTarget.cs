namespace WinLoop.Mounting.Windows;

/// <summary>The target of a symlink: ext4's bytes and Windows' path.</summary>
/// <remarks>
/// <list type="bullet">
/// <item><c>a/../b</c> is <c>a\..\b</c>; each component goes through <see cref="WindowsName"/>, "." and ".." stay.
/// Separators that follow each other, and one at the end, are one and none for Windows.</item>
/// <item><c>/usr/bin</c> is <c>\usr\bin</c> with the relative flag, which stays inside the volume.</item>
/// <item>What leads out of the volume on Windows, <c>\??\C:\x</c>, is stored as <c>/??/C:/x</c>, and comes back so. On
/// Linux such a link leads nowhere. Only drives (<c>C:</c>) and volumes (<c>Volume{guid}</c>) can be named like that:
/// not other devices, and not the network, so that looking at an image from a stranger connects to nobody.</item>
/// </list>
/// </remarks>
internal static class LinkTarget
{
    /// <summary>Bytes of the longest target (PATH_MAX without its zero). Windows' form has no more units.</summary>
    public const int MaxLength = 4095;

    /// <summary>The NT namespace of drives.</summary>
    public const string NtPrefix = @"\??\";

    private const int GuidTextLength = 38;

    private static ReadOnlySpan<byte> StoredNtPrefix => "/??/"u8;

    /// <summary>Disk to Windows.</summary>
    /// <param name="target">As stored.</param>
    /// <param name="path">At least as many units as the target has bytes.</param>
    /// <param name="isNt">True if the path starts in the NT namespace, and not at the link or the volume's root.</param>
    /// <returns>Units written.</returns>
    public static int ToWindows(ReadOnlySpan<byte> target, Span<char> path, out bool isNt)
    {
        int used = 0;
        isNt = false;
        if (target.StartsWith(StoredNtPrefix))
        {
            ReadOnlySpan<byte> rest = target[StoredNtPrefix.Length..];
            int end = rest.IndexOf((byte)'/');
            ReadOnlySpan<byte> device = end < 0 ? rest : rest[..end];
            Span<char> name = stackalloc char[GuidTextLength + 6];
            if (device.Length <= name.Length)
            {
                name = name[..device.Length];
                for (int i = 0; i < device.Length; i++)
                {
                    name[i] = (char)device[i];
                }
                if (IsDevice(name))
                {
                    isNt = true;
                    NtPrefix.CopyTo(path);
                    name.CopyTo(path[NtPrefix.Length..]);
                    used = NtPrefix.Length + name.Length;
                    target = rest[name.Length..];
                }
            }
        }
        bool keepsEmpty = isNt;
        bool isStart = !isNt;
        while (true)
        {
            int end = target.IndexOf((byte)'/');
            ReadOnlySpan<byte> component = end < 0 ? target : target[..end];
            used += WindowsName.Decode(component, path[used..]);
            if (end < 0)
            {
                break;
            }
            target = target[(end + 1)..];
            if (keepsEmpty || (isStart && component.IsEmpty) || (!component.IsEmpty && !target.TrimStart((byte)'/').IsEmpty))
            {
                path[used++] = '\\';
            }
            isStart = false;
        }
        return used;
    }

    /// <summary>Windows to disk.</summary>
    /// <param name="path">The substitute name. '/' counts as a separator too: programs write it.</param>
    /// <param name="isNt">The path starts in the NT namespace (the relative flag is not set).</param>
    /// <param name="target">Takes the bytes.</param>
    /// <returns>Bytes written; −1 if ext4 has no form for it.</returns>
    public static int FromWindows(ReadOnlySpan<char> path, bool isNt, Span<byte> target)
    {
        if (target.Length > MaxLength)
        {
            target = target[..MaxLength];
        }
        int used = 0;
        if (isNt)
        {
            if (!path.StartsWith(NtPrefix))
            {
                return -1;
            }
            path = path[NtPrefix.Length..];
            int end = path.IndexOf('\\');
            ReadOnlySpan<char> device = end < 0 ? path : path[..end];
            if (!IsDevice(device) || target.Length < StoredNtPrefix.Length + device.Length)
            {
                return -1;
            }
            StoredNtPrefix.CopyTo(target);
            used = StoredNtPrefix.Length;
            foreach (char c in device)
            {
                target[used++] = (byte)c;
            }
            path = path[device.Length..];
        }
        bool isStart = !isNt;
        while (true)
        {
            int end = path.IndexOfAny('\\', '/');
            ReadOnlySpan<char> component = end < 0 ? path : path[..end];
            if (!component.IsEmpty)
            {
                int length = component is "." or ".." ? Copy(component, target[used..]) : WindowsName.Encode(component, target[used..]);
                if (length < 0)
                {
                    return -1;
                }
                used += length;
            }
            if (end < 0)
            {
                break;
            }
            path = path[(end + 1)..];
            if (isNt || (isStart && component.IsEmpty) || (!component.IsEmpty && !path.TrimStart("\\/").IsEmpty))
            {
                if (used == target.Length)
                {
                    return -1;
                }
                target[used++] = (byte)'/';
            }
            isStart = false;
        }
        return used == 0 ? -1 : used;
    }

    private static bool IsDevice(ReadOnlySpan<char> name) =>
        (name.Length == 2 && char.IsAsciiLetter(name[0]) && name[1] == ':')
        || (name.Length == GuidTextLength + 6 && name.StartsWith("Volume", StringComparison.OrdinalIgnoreCase)
            && Guid.TryParseExact(name[6..], "B", out _));

    private static int Copy(ReadOnlySpan<char> dots, Span<byte> target)
    {
        if (target.Length < dots.Length)
        {
            return -1;
        }
        target[..dots.Length].Fill((byte)'.');
        return dots.Length;
    }
}
