using System.Runtime.InteropServices;

namespace WinLoop.WinFsp.Binding.Abi;

/// <summary>FSP_FSCTL_VOLUME_PARAMS, version 1.</summary>
[StructLayout(LayoutKind.Explicit, Size = SizeOf)]
internal unsafe struct VolumeParams
{
    /// <summary>Bytes; also the version.</summary>
    public const int SizeOf = 504;

    /// <summary>Units of <see cref="FileSystemName"/>, a NUL included.</summary>
    public const int FileSystemNameUnits = 16;

    [FieldOffset(0)]
    public ushort Version;
    [FieldOffset(2)]
    public ushort SectorSize;
    [FieldOffset(4)]
    public ushort SectorsPerAllocationUnit;
    [FieldOffset(6)]
    public ushort MaxComponentLength;
    [FieldOffset(8)]
    public ulong VolumeCreationTime;
    [FieldOffset(16)]
    public uint VolumeSerialNumber;
    [FieldOffset(20)]
    public uint TransactTimeout;
    /// <summary>How long a request may take, in ms; 0 = five minutes.</summary>
    [FieldOffset(24)]
    public uint IrpTimeout;
    [FieldOffset(28)]
    public uint IrpCapacity;
    /// <summary>In ms; the largest value turns the cache manager on.</summary>
    [FieldOffset(32)]
    public uint FileInfoTimeout;
    [FieldOffset(36)]
    public VolumeFlags Flags;
    /// <summary>Not empty: a network file system.</summary>
    [FieldOffset(40)]
    public fixed char Prefix[192];
    [FieldOffset(424)]
    public fixed char FileSystemName[FileSystemNameUnits];
    /// <summary>Bits that say which of the timeouts below count.</summary>
    [FieldOffset(456)]
    public uint AdditionalFlags;
    [FieldOffset(460)]
    public uint VolumeInfoTimeout;
    [FieldOffset(464)]
    public uint DirInfoTimeout;
    [FieldOffset(468)]
    public uint SecurityTimeout;
    [FieldOffset(472)]
    public uint StreamInfoTimeout;
    [FieldOffset(476)]
    public uint EaTimeout;
    [FieldOffset(480)]
    public uint FsextControlCode;

    /// <summary>Sets <see cref="FileSystemName"/>; what is too long is cut.</summary>
    public void SetFileSystemName(ReadOnlySpan<char> name)
    {
        name = name[..Math.Min(name.Length, FileSystemNameUnits - 1)];
        fixed (char* p = FileSystemName)
        {
            Span<char> field = new(p, FileSystemNameUnits);
            field.Clear();
            name.CopyTo(field);
        }
    }
}
