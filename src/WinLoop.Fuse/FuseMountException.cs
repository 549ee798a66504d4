namespace WinLoop.Fuse;

/// <summary>A mount or unmount that the system refused.</summary>
/// <param name="errno">Linux's code, 0 if there is none.</param>
/// <param name="message">One line: what failed and why.</param>
public sealed class FuseMountException(int errno, string message) : IOException(message)
{
    /// <summary>Linux's code (EBUSY 16, EPERM 1, EACCES 13, ENOENT 2, ENOTDIR 20, ENODEV 19, ...), 0 if there is none.</summary>
    public int Errno { get; } = errno;
}
