using System.Runtime.InteropServices;

namespace WinLoop.WinFsp.Binding.Abi;

/// <summary>FSP_FILE_SYSTEM_INTERFACE: 64 pointers to functions, here as addresses in the order of the ABI.</summary>
[StructLayout(LayoutKind.Explicit, Size = SlotCount * 8)]
internal struct FileSystemInterface
{
    /// <summary>Pointers in the table.</summary>
    public const int SlotCount = 64;

    [FieldOffset(0 * 8)]
    public nint GetVolumeInfo;
    [FieldOffset(1 * 8)]
    public nint SetVolumeLabel;
    [FieldOffset(2 * 8)]
    public nint GetSecurityByName;
    /// <summary>Not used: <see cref="CreateEx"/> goes before it.</summary>
    [FieldOffset(3 * 8)]
    public nint Create;
    [FieldOffset(4 * 8)]
    public nint Open;
    /// <summary>Not used: <see cref="OverwriteEx"/> goes before it.</summary>
    [FieldOffset(5 * 8)]
    public nint Overwrite;
    [FieldOffset(6 * 8)]
    public nint Cleanup;
    [FieldOffset(7 * 8)]
    public nint Close;
    [FieldOffset(8 * 8)]
    public nint Read;
    [FieldOffset(9 * 8)]
    public nint Write;
    [FieldOffset(10 * 8)]
    public nint Flush;
    [FieldOffset(11 * 8)]
    public nint GetFileInfo;
    [FieldOffset(12 * 8)]
    public nint SetBasicInfo;
    [FieldOffset(13 * 8)]
    public nint SetFileSize;
    /// <summary>Not used: <see cref="SetDelete"/> goes before it.</summary>
    [FieldOffset(14 * 8)]
    public nint CanDelete;
    [FieldOffset(15 * 8)]
    public nint Rename;
    [FieldOffset(16 * 8)]
    public nint GetSecurity;
    [FieldOffset(17 * 8)]
    public nint SetSecurity;
    [FieldOffset(18 * 8)]
    public nint ReadDirectory;
    [FieldOffset(19 * 8)]
    public nint ResolveReparsePoints;
    [FieldOffset(20 * 8)]
    public nint GetReparsePoint;
    [FieldOffset(21 * 8)]
    public nint SetReparsePoint;
    [FieldOffset(22 * 8)]
    public nint DeleteReparsePoint;
    [FieldOffset(23 * 8)]
    public nint GetStreamInfo;
    [FieldOffset(24 * 8)]
    public nint GetDirInfoByName;
    [FieldOffset(25 * 8)]
    public nint Control;
    [FieldOffset(26 * 8)]
    public nint SetDelete;
    [FieldOffset(27 * 8)]
    public nint CreateEx;
    [FieldOffset(28 * 8)]
    public nint OverwriteEx;
    [FieldOffset(29 * 8)]
    public nint GetEa;
    [FieldOffset(30 * 8)]
    public nint SetEa;
    [FieldOffset(31 * 8)]
    public nint Obsolete0;
    [FieldOffset(32 * 8)]
    public nint DispatcherStopped;
}
