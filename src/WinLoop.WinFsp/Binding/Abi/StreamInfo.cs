using System.Runtime.InteropServices;

namespace WinLoop.WinFsp.Binding.Abi;

/// <summary>FSP_FSCTL_STREAM_INFO without the name, which follows it.</summary>
[StructLayout(LayoutKind.Explicit, Size = HeaderSize)]
internal struct StreamInfo
{
    /// <summary>Where the name begins.</summary>
    public const int HeaderSize = 24;

    /// <summary>Bytes of this entry: <see cref="HeaderSize"/> and the name.</summary>
    [FieldOffset(0)]
    public ushort Size;

    /// <summary>Bytes of content.</summary>
    [FieldOffset(8)]
    public ulong StreamSize;

    /// <summary>Bytes on the volume.</summary>
    [FieldOffset(16)]
    public ulong StreamAllocationSize;
}
