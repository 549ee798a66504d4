using WinLoop.Ext4;
using WinLoop.Ext4.Format;

namespace WinLoop.Mounting.Windows;

// Links and special files as reparse points.
public sealed partial class WindowsFileSystem
{
    /// <summary>REPARSE_DATA_BUFFER of a name; NotAReparsePoint if it has none.</summary>
    public NtStatus GetReparsePointByName(ReadOnlySpan<char> path, Span<byte> buffer, out int length) { length = 0; return NtStatus.NotSupported; }

    /// <summary>REPARSE_DATA_BUFFER of an open file.</summary>
    public NtStatus GetReparsePoint(WindowsFile file, Span<byte> buffer, out int length) { length = 0; return NtStatus.NotSupported; }

    /// <summary>Turns an empty file or directory into a link or a special file.</summary>
    public NtStatus SetReparsePoint(WindowsFile file, ReadOnlySpan<char> path, ReadOnlySpan<byte> data) => NtStatus.NotSupported;

    /// <summary>Turns a link into an empty file.</summary>
    public NtStatus DeleteReparsePoint(WindowsFile file, ReadOnlySpan<char> path, ReadOnlySpan<byte> data) => NtStatus.NotSupported;

    private static uint ReparseTagOf(ushort mode) => (mode & InodeMode.TypeMask) switch
    {
        InodeMode.Regular or InodeMode.Directory => 0,
        InodeMode.Symlink => 0xA000000C,
        InodeMode.Socket => 0x80000023,
        InodeMode.Fifo => 0x80000024,
        InodeMode.CharDevice => 0x80000025,
        _ => 0x80000026,
    };

    private NtStatus PlanReparsePoint(ReadOnlySpan<byte> data, ref NewNode node) { node.Device = 0; node.Target = data; node.Uid = null; node.Gid = null; return NtStatus.NotSupported; }
}
