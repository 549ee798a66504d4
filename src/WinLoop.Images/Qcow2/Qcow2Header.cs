namespace WinLoop.Images.Qcow2;

/// <summary>The header of a qcow2 file (interop/qcow2.txt, "Header").</summary>
internal sealed record Qcow2Header
{
    /// <summary>"QFI" and 0xFB, big-endian.</summary>
    public const uint Magic = 0x514649FB;
}
