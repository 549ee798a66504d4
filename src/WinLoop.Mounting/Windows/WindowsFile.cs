namespace WinLoop.Mounting.Windows;

/// <summary>One open file, directory or stream.</summary>
public sealed class WindowsFile
{
    internal WindowsFile()
    {
    }

    /// <summary>Windows must not cache this open's data: another name or another open sees it too (hard links,
    /// streams).</summary>
    public bool DisableCache { get; internal set; }

    /// <summary>True for a directory.</summary>
    public bool IsDirectory { get; internal set; }

    /// <summary>Copies the name as it is on the volume, from the root, with <c>\</c>; returns its length, −1 if the
    /// buffer is too small or the volume is case-sensitive.</summary>
    public int CopyNormalizedName(Span<char> buffer) => throw new NotImplementedException();
}
