using System.Runtime.InteropServices;

namespace WinLoop.WinFsp.Binding.Abi;

/// <summary>The public head of FSP_FILE_SYSTEM, which WinFsp allocates; what follows is its own.</summary>
[StructLayout(LayoutKind.Explicit, Size = 16)]
internal struct FileSystemHead
{
    /// <summary>FSP_FILE_SYSTEM.Version.</summary>
    [FieldOffset(0)]
    public ushort Version;

    /// <summary>FSP_FILE_SYSTEM.UserContext: ours, here a key of the host table.</summary>
    [FieldOffset(8)]
    public ulong UserContext;
}
