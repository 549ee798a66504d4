using System.Runtime.InteropServices;
using WinLoop.Mounting.Windows;

namespace WinLoop.WinFsp.Binding.Abi;

/// <summary>FSP_FSCTL_DIR_INFO without the name, which follows it.</summary>
[StructLayout(LayoutKind.Explicit, Size = HeaderSize)]
internal struct DirInfo
{
    /// <summary>Where the name begins.</summary>
    public const int HeaderSize = 104;

    /// <summary>The most units of UTF-16 in a name.</summary>
    public const int MaxName = 255;

    /// <summary>Bytes of this entry: <see cref="HeaderSize"/> and the name.</summary>
    [FieldOffset(0)]
    public ushort Size;

    /// <summary>Attributes.</summary>
    [FieldOffset(8)]
    public WindowsFileInfo Info;

    /// <summary>Only with DirectoryMarkerAsNextOffset, else 0.</summary>
    [FieldOffset(80)]
    public ulong NextOffset;

    [FieldOffset(88)]
    private ulong _padding0;

    [FieldOffset(96)]
    private ulong _padding1;
}
