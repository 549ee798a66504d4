using WinLoop.Ext4;

namespace WinLoop.Mounting.Windows;

// Extended attributes of Windows.
public sealed partial class WindowsFileSystem
{
    /// <summary>FILE_FULL_EA_INFORMATION list of all extended attributes.</summary>
    /// <returns><see cref="NtStatus.BufferOverflow"/>: the buffer is too small.</returns>
    public NtStatus GetEa(WindowsFile file, Span<byte> buffer, out int length)
    {
        length = 0;
        return NtStatus.NotSupported;
    }

    /// <summary>Sets the extended attributes of a FILE_FULL_EA_INFORMATION list; an empty value deletes.</summary>
    public NtStatus SetEa(WindowsFile file, ReadOnlySpan<byte> list, out WindowsFileInfo info)
    {
        info = default;
        return NtStatus.NotSupported;
    }

    private NtStatus PlanEas(ReadOnlySpan<byte> list, ref NewNode node) => NtStatus.NotSupported;
    private NtStatus CheckEas(ReadOnlySpan<byte> list) => NtStatus.NotSupported;
    private NtStatus ApplyEas(WindowsFile file, ReadOnlySpan<byte> list) => NtStatus.NotSupported;
    private uint MeasureEas(Inode inode) => 0;
    private void RemoveForeignAttributes(Inode inode) { }
}
