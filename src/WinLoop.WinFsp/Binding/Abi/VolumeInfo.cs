using System.Runtime.InteropServices;

namespace WinLoop.WinFsp.Binding.Abi;

/// <summary>FSP_FSCTL_VOLUME_INFO.</summary>
[StructLayout(LayoutKind.Explicit, Size = 88)]
internal unsafe struct VolumeInfo
{
    /// <summary>Units of UTF-16 that a label may have.</summary>
    public const int MaxLabel = 32;

    /// <summary>Bytes.</summary>
    [FieldOffset(0)]
    public ulong TotalSize;

    /// <summary>Bytes.</summary>
    [FieldOffset(8)]
    public ulong FreeSize;

    /// <summary>Bytes of the label.</summary>
    [FieldOffset(16)]
    public ushort VolumeLabelLength;

    /// <summary>The label.</summary>
    [FieldOffset(18)]
    public fixed char VolumeLabel[MaxLabel];

    /// <summary>Sets the label; what is too long is cut.</summary>
    public void SetLabel(ReadOnlySpan<char> label)
    {
        label = label[..Math.Min(label.Length, MaxLabel)];
        fixed (char* p = VolumeLabel)
        {
            label.CopyTo(new Span<char>(p, MaxLabel));
        }
        VolumeLabelLength = (ushort)(label.Length * sizeof(char));
    }
}
