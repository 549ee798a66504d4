using System.Runtime.InteropServices;
using System.Text;
using WinLoop.Fuse.Native;

namespace WinLoop.Fuse.Mounting;

/// <summary>
/// A kernel loop device over the image, so that the mount has a block device to hold: <c>fuseblk</c> wants one,
/// losetup shows it, and nobody else can mount it. The engine's own I/O goes to the image and never through
/// it. It is autoclear: closed by us and unmounted, it is gone.
/// </summary>
internal sealed unsafe class LoopAttachment : IDisposable
{
    private const nuint ControlGetFree = 0x4C82, Configure = 0x4C0A;
    private const uint FlagReadOnly = 1, FlagAutoclear = 4;
    private const int MaxTries = 16;

    private int _fd;

    private LoopAttachment(int fd, string path) => (_fd, Path) = (fd, path);

    /// <summary>/dev/loopN.</summary>
    public string Path { get; }

    /// <summary>struct loop_config with its loop_info64.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct LoopConfig
    {
        public uint Fd, BlockSize;
        public ulong Device, Inode, RDevice, Offset, SizeLimit;
        public uint Number, EncryptType, EncryptKeySize, Flags;
        public fixed byte FileName[64];
        public fixed byte CryptName[64];
        public fixed byte EncryptKey[32];
        public fixed ulong Init[2];
        public fixed ulong Reserved[8];
    }

    /// <summary>Attaches a free loop device; null with the reason if there is none to be had.</summary>
    public static LoopAttachment? TryAttach(string image, long offset, long sizeLimit, bool readOnly, out string reason)
    {
        int mode = (readOnly ? Libc.O_RDONLY : Libc.O_RDWR) | Libc.O_CLOEXEC;
        int control = Libc.open("/dev/loop-control", Libc.O_RDWR | Libc.O_CLOEXEC);
        if (control < 0)
        {
            reason = Reason("/dev/loop-control");
            return null;
        }
        int file = Libc.open(image, mode);
        try
        {
            if (file < 0)
            {
                reason = Reason(image);
                return null;
            }
            LoopConfig config = new()
            {
                Fd = (uint)file,
                Offset = (ulong)offset,
                SizeLimit = (ulong)sizeLimit,
                Flags = FlagAutoclear | (readOnly ? FlagReadOnly : 0),
            };
            byte[] name = Encoding.UTF8.GetBytes(image);
            name.AsSpan(0, Math.Min(name.Length, 63)).CopyTo(new Span<byte>(config.FileName, 64));
            reason = "no free loop device";
            for (int i = 0; i < MaxTries; i++)
            {
                int number = Libc.ioctl(control, ControlGetFree, null);
                if (number < 0)
                {
                    reason = Reason("LOOP_CTL_GET_FREE");
                    return null;
                }
                string path = $"/dev/loop{number}";
                int loop = Libc.open(path, mode);
                if (loop < 0)
                {
                    reason = Reason(path);
                    return null;
                }
                if (Libc.ioctl(loop, Configure, &config) == 0)
                {
                    return new LoopAttachment(loop, path);
                }
                int error = Marshal.GetLastPInvokeError();
                Libc.close(loop);
                if (error != Libc.EBUSY)        // EBUSY: somebody else was faster
                {
                    reason = $"{path}: {Libc.Describe(error)}";
                    return null;
                }
            }
            return null;
        }
        finally
        {
            if (file >= 0)
            {
                Libc.close(file);
            }
            Libc.close(control);
        }
    }

    /// <summary>Lets go of the device: it stays for as long as a mount holds it.</summary>
    public void Dispose()
    {
        if (_fd >= 0)
        {
            Libc.close(_fd);
            _fd = -1;
        }
    }

    private static string Reason(string what) => $"{what}: {Libc.Describe(Marshal.GetLastPInvokeError())}";
}
