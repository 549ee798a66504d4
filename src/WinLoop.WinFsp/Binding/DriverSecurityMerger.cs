using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Requests;

namespace WinLoop.WinFsp.Binding;

/// <summary>Merges descriptors with WinFsp's own function.</summary>
internal sealed unsafe class DriverSecurityMerger(WinFspExports exports) : ISecurityMerger
{
    public NtStatus Merge(byte[] old, uint information, byte* modification, out byte* merged)
    {
        byte* result = null;
        NtStatus status;
        fixed (byte* p = old)
        {
            status = exports.SetSecurityDescriptor(p, information, modification, &result);
        }
        merged = result;
        return status;
    }

    // The second argument says by which function the descriptor was made, and so how it is freed.
    public void Free(byte* merged) => exports.DeleteSecurityDescriptor(merged, (nint)exports.SetSecurityDescriptor);
}
