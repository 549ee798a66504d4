using System.Runtime.InteropServices;

namespace WinLoop.Storage.Linux;

/// <summary>Owns a file descriptor.</summary>
internal sealed class SafeFd : SafeHandle
{
    internal SafeFd(int fd) : base(-1, ownsHandle: true) => SetHandle(fd);

    /// <inheritdoc/>
    public override bool IsInvalid => handle < 0;

    /// <summary>The number. Good for as long as nobody disposes this object.</summary>
    internal int Fd => (int)handle;

    /// <summary>Opens a path; EINTR is tried again.</summary>
    /// <returns>Null if it failed; then <paramref name="errno"/> tells why.</returns>
    internal static SafeFd? TryOpen(string path, int flags, out int errno)
    {
        while (true)
        {
            int fd = LibC.open(path, flags | LibC.O_CLOEXEC, 0);
            errno = fd >= 0 ? 0 : Marshal.GetLastPInvokeError();
            if (errno != LibC.EINTR)
            {
                return fd >= 0 ? new SafeFd(fd) : null;
            }
        }
    }

    // Linux releases the number even when close reports an error; calling it twice could hit another file.
    protected override bool ReleaseHandle() => LibC.close((int)handle) == 0;
}
