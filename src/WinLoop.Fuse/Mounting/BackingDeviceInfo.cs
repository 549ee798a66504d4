using WinLoop.Fuse.Native;

namespace WinLoop.Fuse.Mounting;

/// <summary>The settings of a mount's bdi under /sys/class/bdi.</summary>
internal static unsafe class BackingDeviceInfo
{
    /// <summary>Sets the readahead. FUSE starts with 128 KiB and INIT can only lower it. The strict limit on dirty
    /// pages is left as it is: it keeps the mount's pages from throttling the server that writes them.</summary>
    /// <returns>Null, or why it could not be set.</returns>
    public static string? TrySetReadAhead(string mountPoint, bool isBlockDevice, int kib)
    {
        try
        {
            const int majorAt = 136, minorAt = 140, size = 256;
            byte* stat = stackalloc byte[size];
            // The number of the mount is known without asking the server.
            if (Libc.statx(Libc.AT_FDCWD, mountPoint, Libc.AT_STATX_DONT_SYNC, 0, stat) != 0)
            {
                return "statx failed";
            }
            string name = $"{*(uint*)(stat + majorAt)}:{*(uint*)(stat + minorAt)}{(isBlockDevice ? "-fuseblk" : "")}";
            File.WriteAllText($"/sys/class/bdi/{name}/read_ahead_kb", kib.ToString());
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return e.Message;
        }
    }
}
