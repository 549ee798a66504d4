namespace WinLoop.Mounting.Linux;

/// <summary>Paths of the host in the one form that mounts are known by.</summary>
public static class HostPath
{
    /// <summary>
    /// Absolute, with symlinks resolved as far as they lead to something: a mount point whose server has
    /// died cannot be looked at itself.
    /// </summary>
    public static string Resolve(string path)
    {
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        if (OperatingSystem.IsWindows())
        {
            // A drive is known by its letter: "X:" would otherwise be the current folder of X.
            return path.TrimEnd('\\', '/') is [_, ':'] drive && char.IsAsciiLetter(drive[0]) ? drive.ToUpperInvariant() : full;
        }
        if (Native.RealPath(full) is { } real)
        {
            return real;
        }
        string? parent = Path.GetDirectoryName(full);
        return parent != null && Native.RealPath(parent) is { } realParent ? Path.Combine(realParent, Path.GetFileName(full)) : full;
    }
}
