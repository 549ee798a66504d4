using System.Runtime.InteropServices;

namespace WinLoop.WinFsp.Binding.Abi;

/// <summary>IO_STATUS_BLOCK.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct IoStatusBlock
{
    public nint Status;
    public nint Information;
}
