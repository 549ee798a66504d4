using System.Runtime.InteropServices;

namespace WinLoop.Mounting.Windows;

/// <summary>What Windows asks of a file: 72 bytes, in the layout of WinFsp's FSP_FSCTL_FILE_INFO, so that a host
/// can hand it on as it is.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct WindowsFileInfo
{
    /// <summary>FILE_ATTRIBUTE_*.</summary>
    public uint FileAttributes;
    /// <summary>IO_REPARSE_TAG_*, 0 if it is no reparse point.</summary>
    public uint ReparseTag;
    /// <summary>Bytes on the volume.</summary>
    public ulong AllocationSize;
    /// <summary>Bytes of content.</summary>
    public ulong FileSize;
    /// <summary>100 ns since 1601, as all times here.</summary>
    public ulong CreationTime;
    /// <summary>Last access.</summary>
    public ulong LastAccessTime;
    /// <summary>Last change of the content.</summary>
    public ulong LastWriteTime;
    /// <summary>Last change of anything.</summary>
    public ulong ChangeTime;
    /// <summary>The inode number.</summary>
    public ulong IndexNumber;
    /// <summary>Always 0: WinFsp has no hard links.</summary>
    public uint HardLinks;
    /// <summary>Bytes of the extended attributes as NTFS counts them, 0 if there are none.</summary>
    public uint EaSize;
}
