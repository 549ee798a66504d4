using System.Runtime.InteropServices;
using static System.Runtime.InteropServices.MemoryMarshal;

namespace WinLoop.Mounting.Linux;

/// <summary>What statx(2) tells about a path, links followed.</summary>
/// <param name="Uid">Owner.</param>
/// <param name="Mode">Type and permission bits.</param>
/// <param name="DeviceMajor">Major number of the device it is on.</param>
/// <param name="DeviceMinor">Minor number of the device it is on.</param>
/// <param name="Inode">Its number there.</param>
public readonly record struct FileStatus(uint Uid, ushort Mode, uint DeviceMajor, uint DeviceMinor, ulong Inode)
{
    private const int BufferSize = 256;
    private const int AtCurrentDirectory = -100;
    private const uint BasicFields = 0x7FF;

    /// <summary>True for a directory.</summary>
    public bool IsDirectory => (Mode & 0xF000) == 0x4000;

    /// <summary>True for a regular file.</summary>
    public bool IsRegularFile => (Mode & 0xF000) == 0x8000;

    /// <summary>True for a block device.</summary>
    public bool IsBlockDevice => (Mode & 0xF000) == 0x6000;

    /// <summary>True if it belongs to this process's user and nobody else can write to it.</summary>
    public bool IsOwnAndPrivate => Uid == CurrentUser.Uid && (Mode & 0x12) == 0;

    /// <summary>Asks for <paramref name="path"/>; null if the system does not tell.</summary>
    public static FileStatus? Of(string path) => TryGet(path, out FileStatus status) == 0 ? status : null;

    /// <summary>Asks for <paramref name="path"/>.</summary>
    /// <returns>0, or Linux's error code.</returns>
    public static int TryGet(string path, out FileStatus status)
    {
        // struct statx: stx_uid at 20, stx_mode at 28, stx_ino at 32, stx_dev at 136 and 140.
        Span<byte> buffer = stackalloc byte[BufferSize];
        if (Native.statx(AtCurrentDirectory, path, 0, BasicFields, ref GetReference(buffer)) != 0)
        {
            status = default;
            return Marshal.GetLastPInvokeError();
        }
        status = new FileStatus(Read<uint>(buffer[20..]), Read<ushort>(buffer[28..]), Read<uint>(buffer[136..]),
            Read<uint>(buffer[140..]), Read<ulong>(buffer[32..]));
        return 0;
    }
}
