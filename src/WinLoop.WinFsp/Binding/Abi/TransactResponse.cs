using System.Runtime.InteropServices;
using WinLoop.Mounting.Windows;

namespace WinLoop.WinFsp.Binding.Abi;

/// <summary>The fixed part of FSP_FSCTL_TRANSACT_RSP.</summary>
[StructLayout(LayoutKind.Explicit, Size = SizeOf)]
internal struct TransactResponse
{
    /// <summary>Bytes.</summary>
    public const int SizeOf = 128;

    /// <summary>Bit of <see cref="OpenedFlags"/>: the open does not use the cache manager.</summary>
    public const uint DisableCache = 1;

    [FieldOffset(0)]
    public ushort Version;
    [FieldOffset(2)]
    public ushort Size;
    [FieldOffset(4)]
    public TransactKind Kind;
    [FieldOffset(8)]
    public ulong Hint;
    /// <summary>IoStatus.Information: bytes moved.</summary>
    [FieldOffset(16)]
    public uint Information;
    /// <summary>IoStatus.Status.</summary>
    [FieldOffset(20)]
    public NtStatus Status;
    /// <summary>Rsp.Write.FileInfo.</summary>
    [FieldOffset(24)]
    public WindowsFileInfo WriteInfo;
    /// <summary>Rsp.Create.Opened: bits.</summary>
    [FieldOffset(124)]
    public uint OpenedFlags;
}
