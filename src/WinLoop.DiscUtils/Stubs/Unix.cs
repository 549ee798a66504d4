#pragma warning disable CS1591

namespace DiscUtils;

/// <summary>Stand-in: the type bits of st_mode.</summary>
public enum UnixFileType
{
    None = 0x0,
    Fifo = 0x1,
    Character = 0x2,
    Directory = 0x4,
    Block = 0x6,
    Regular = 0x8,
    Link = 0xA,
    Socket = 0xC,
}

/// <summary>Stand-in: the permission bits of st_mode.</summary>
[Flags]
public enum UnixFilePermissions
{
    None = 0,
    OthersExecute = 0x001,
    OthersWrite = 0x002,
    OthersRead = 0x004,
    GroupExecute = 0x008,
    GroupWrite = 0x010,
    GroupRead = 0x020,
    OwnerExecute = 0x040,
    OwnerWrite = 0x080,
    OwnerRead = 0x100,
    Sticky = 0x200,
    SetGroupId = 0x400,
    SetUserId = 0x800,
}

/// <summary>Stand-in: what stat tells.</summary>
public sealed class UnixFileSystemInfo
{
    public long DeviceId { get; set; }
    public UnixFileType FileType { get; set; }
    public int GroupId { get; set; }
    public long Inode { get; set; }
    public int LinkCount { get; set; }
    public UnixFilePermissions Permissions { get; set; }
    public int UserId { get; set; }
}

/// <summary>Stand-in: a file system that has owners and permissions.</summary>
public interface IUnixFileSystem : IFileSystem
{
    UnixFileSystemInfo GetUnixFileInfo(string path);
}
