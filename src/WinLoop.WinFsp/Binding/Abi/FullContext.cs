using System.Runtime.InteropServices;

namespace WinLoop.WinFsp.Binding.Abi;

/// <summary>FSP_FSCTL_TRANSACT_FULL_CONTEXT: what an open is known by when UmFileContextIsFullContext is set.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FullContext
{
    /// <summary>Of the file.</summary>
    public ulong UserContext;

    /// <summary>Of the open.</summary>
    public ulong UserContext2;
}
