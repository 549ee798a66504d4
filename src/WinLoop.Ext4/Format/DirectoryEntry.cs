namespace WinLoop.Ext4.Format;

/// <summary>The file type byte of a directory entry (<c>filetype</c> feature).</summary>
public enum DirectoryEntryType : byte
{
#pragma warning disable CS1591
    Unknown = 0, Regular = 1, Directory = 2, CharDevice = 3, BlockDevice = 4, Fifo = 5, Socket = 6, Symlink = 7,
#pragma warning restore CS1591
}

/// <summary>Conversions between i_mode and the entry type.</summary>
internal static class DirectoryEntryTypes
{
    public static DirectoryEntryType FromMode(ushort mode) => (mode & InodeMode.TypeMask) switch
    {
        InodeMode.Regular => DirectoryEntryType.Regular,
        InodeMode.Directory => DirectoryEntryType.Directory,
        InodeMode.CharDevice => DirectoryEntryType.CharDevice,
        InodeMode.BlockDevice => DirectoryEntryType.BlockDevice,
        InodeMode.Fifo => DirectoryEntryType.Fifo,
        InodeMode.Socket => DirectoryEntryType.Socket,
        InodeMode.Symlink => DirectoryEntryType.Symlink,
        _ => DirectoryEntryType.Unknown,
    };
}
