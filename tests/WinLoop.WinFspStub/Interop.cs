using System.Runtime.InteropServices;

namespace Fsp.Interop;

/// <summary>As in the package, with EaSize in what would be padding.</summary>
[StructLayout(LayoutKind.Explicit, Size = 72)]
public struct FileInfo
{
    [FieldOffset(0)]
    public uint FileAttributes;
    [FieldOffset(4)]
    public uint ReparseTag;
    [FieldOffset(8)]
    public ulong AllocationSize;
    [FieldOffset(16)]
    public ulong FileSize;
    [FieldOffset(24)]
    public ulong CreationTime;
    [FieldOffset(32)]
    public ulong LastAccessTime;
    [FieldOffset(40)]
    public ulong LastWriteTime;
    [FieldOffset(48)]
    public ulong ChangeTime;
    [FieldOffset(56)]
    public ulong IndexNumber;
    [FieldOffset(64)]
    public uint HardLinks;
    [FieldOffset(68)]
    private uint _eaSize;

    public uint EaSize
    {
        readonly get => _eaSize;
        set => _eaSize = value;
    }
}

[StructLayout(LayoutKind.Explicit, Size = 88)]
public unsafe struct VolumeInfo
{
    [FieldOffset(0)]
    public ulong TotalSize;
    [FieldOffset(8)]
    public ulong FreeSize;
    [FieldOffset(16)]
    internal ushort VolumeLabelLength;
    [FieldOffset(18)]
    internal fixed char VolumeLabel[32];

    public void SetVolumeLabel(string value)
    {
        ReadOnlySpan<char> label = value.AsSpan();
        label = label[..Math.Min(label.Length, 32)];
        for (int i = 0; i < label.Length; i++)
        {
            VolumeLabel[i] = label[i];
        }
        VolumeLabelLength = (ushort)(2 * label.Length);
    }
}

[StructLayout(LayoutKind.Sequential)]
public struct IoStatusBlock
{
    public IntPtr Status;
    public IntPtr Information;
}

// Found by reflection, by its name and that of Flags.
[StructLayout(LayoutKind.Explicit, Size = 504)]
internal unsafe struct VolumeParams
{
    [FieldOffset(0)]
    internal ushort Version;
    [FieldOffset(2)]
    internal ushort SectorSize;
    [FieldOffset(4)]
    internal ushort SectorsPerAllocationUnit;
    [FieldOffset(6)]
    internal ushort MaxComponentLength;
    [FieldOffset(8)]
    internal ulong VolumeCreationTime;
    [FieldOffset(16)]
    internal uint VolumeSerialNumber;
    [FieldOffset(32)]
    internal uint FileInfoTimeout;
    [FieldOffset(36)]
    internal uint Flags;
    [FieldOffset(424)]
    internal fixed char FileSystemName[16];
}
