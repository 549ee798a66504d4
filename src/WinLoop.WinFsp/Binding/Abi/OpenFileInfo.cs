using System.Runtime.InteropServices;
using WinLoop.Mounting.Windows;

namespace WinLoop.WinFsp.Binding.Abi;

/// <summary>FSP_FSCTL_OPEN_FILE_INFO: what the last argument of Create and Open really points to.</summary>
[StructLayout(LayoutKind.Explicit, Size = 88)]
internal unsafe struct OpenFileInfo
{
    /// <summary>Attributes.</summary>
    [FieldOffset(0)]
    public WindowsFileInfo Info;

    /// <summary>Where the name as it is on the volume may be written; without a NUL.</summary>
    [FieldOffset(72)]
    public char* NormalizedName;

    /// <summary>In: bytes of the buffer. Out: bytes of the name, if one was written.</summary>
    [FieldOffset(80)]
    public ushort NormalizedNameSize;
}
