using System.Runtime.InteropServices;

namespace WinLoop.WinFsp.Binding.Abi;

/// <summary>The fixed part of FSP_FSCTL_TRANSACT_REQ.</summary>
[StructLayout(LayoutKind.Explicit, Size = 88)]
internal struct TransactRequest
{
    [FieldOffset(0)]
    public ushort Version;
    [FieldOffset(2)]
    public ushort Size;
    [FieldOffset(4)]
    public TransactKind Kind;
    /// <summary>What a response refers to.</summary>
    [FieldOffset(8)]
    public ulong Hint;
}
