using WinLoop.Mounting.Windows;

namespace WinLoop.WinFsp.Requests;

/// <summary>Puts the changed parts of a descriptor into the old one, with the rules of Windows.</summary>
internal unsafe interface ISecurityMerger
{
    /// <summary>Merges.</summary>
    /// <param name="old">Self-relative.</param>
    /// <param name="information">SECURITY_INFORMATION.</param>
    /// <param name="modification">Self-relative.</param>
    /// <param name="merged">Self-relative; to be given to <see cref="Free"/> if the status is a success.</param>
    NtStatus Merge(byte[] old, uint information, byte* modification, out byte* merged);

    /// <summary>Frees what <see cref="Merge"/> returned.</summary>
    void Free(byte* merged);
}
