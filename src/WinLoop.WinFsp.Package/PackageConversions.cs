using WinLoop.Mounting.Windows;

namespace WinLoop.WinFsp.Package;

/// <summary>Our structures as the package's.</summary>
internal static class PackageConversions
{
    /// <summary>Field by field and in place: the package keeps EaSize in what the compiler takes for padding.</summary>
    public static void Copy(in WindowsFileInfo from, out Fsp.Interop.FileInfo to)
    {
        to = default;
        to.FileAttributes = from.FileAttributes;
        to.ReparseTag = from.ReparseTag;
        to.AllocationSize = from.AllocationSize;
        to.FileSize = from.FileSize;
        to.CreationTime = from.CreationTime;
        to.LastAccessTime = from.LastAccessTime;
        to.LastWriteTime = from.LastWriteTime;
        to.ChangeTime = from.ChangeTime;
        to.IndexNumber = from.IndexNumber;
        to.HardLinks = from.HardLinks;
        to.EaSize = from.EaSize;
    }

    public static void Copy(in WindowsVolumeInfo from, out Fsp.Interop.VolumeInfo to)
    {
        to = default;
        to.TotalSize = from.TotalSize;
        to.FreeSize = from.FreeSize;
        to.SetVolumeLabel(from.Label);
    }
}
