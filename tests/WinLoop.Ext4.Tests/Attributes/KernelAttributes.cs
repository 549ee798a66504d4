using System.Runtime.InteropServices;
using System.Text;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Attributes;

/// <summary>An image mounted by the kernel, and the xattr system calls on it: names and values as bytes, errors as numbers.</summary>
internal sealed partial class KernelAttributes : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("winloop-kernel-").FullName;

    public KernelAttributes(TestImage image)
    {
        Shell.RequireLoopMounts();
        Shell.Script($"mount -o loop,user_xattr,acl {image.Path} {_folder}");
    }

    public string At(string path) => Path.Combine(_folder, path);

    public uint InodeOf(string path) => uint.Parse(Shell.Script($"stat -c %i {At(path)}"));

    public ushort ModeOf(string path) => Convert.ToUInt16(Shell.Script($"stat -c %f {At(path)}").Trim(), 16);

    public int Set(string path, byte[] name, byte[] value, int flags) => Error(SetAttribute(Text(path), Z(name), value, value.Length, flags));

    public int Remove(string path, byte[] name) => Error(RemoveAttribute(Text(path), Z(name)));

    public byte[]? Get(string path, byte[] name)
    {
        byte[] buffer = new byte[65536];
        nint length = GetAttribute(Text(path), Z(name), buffer, buffer.Length);
        return length < 0 ? null : buffer[..(int)length];
    }

    /// <summary>All attributes; names as Latin-1 text.</summary>
    public SortedDictionary<string, byte[]> All(string path)
    {
        byte[] buffer = new byte[65536];
        nint length = ListAttributes(Text(path), buffer, buffer.Length);
        Assert.True(length >= 0, $"listxattr: {Marshal.GetLastPInvokeError()}");
        return Decode(buffer.AsSpan(0, (int)length), name => Get(path, name)!);
    }

    public int CreateFile(string path, int mode)
    {
        int fd = Open(Text(path), 0x41 /* O_CREAT | O_WRONLY */, mode);
        int error = Error(fd);
        _ = Close(fd);
        return error;
    }

    public int CreateDirectory(string path, int mode) => Error(MakeDirectory(Text(path), mode));

    public int SetMode(string path, int mode) => Error(ChangeMode(Text(path), mode));

    /// <summary>Splits a list of names with NULs and reads each value.</summary>
    public static SortedDictionary<string, byte[]> Decode(ReadOnlySpan<byte> list, Func<byte[], byte[]> get)
    {
        var all = new SortedDictionary<string, byte[]>(StringComparer.Ordinal);
        while (!list.IsEmpty)
        {
            int end = list.IndexOf((byte)0);
            byte[] name = list[..end].ToArray();
            all.Add(Encoding.Latin1.GetString(name), get(name));
            list = list[(end + 1)..];
        }
        return all;
    }

    public void Dispose()
    {
        Shell.Script($"umount {_folder}; rmdir {_folder}");
    }

    private byte[] Text(string path) => Z(Encoding.UTF8.GetBytes(At(path)));

    private static byte[] Z(byte[] name) => [.. name, 0];

    private static int Error(int result) => result < 0 ? Marshal.GetLastPInvokeError() : 0;

    [LibraryImport("libc", EntryPoint = "lsetxattr", SetLastError = true)]
    private static partial int SetAttribute(byte[] path, byte[] name, byte[] value, nint size, int flags);

    [LibraryImport("libc", EntryPoint = "lremovexattr", SetLastError = true)]
    private static partial int RemoveAttribute(byte[] path, byte[] name);

    [LibraryImport("libc", EntryPoint = "lgetxattr", SetLastError = true)]
    private static partial nint GetAttribute(byte[] path, byte[] name, byte[] value, nint size);

    [LibraryImport("libc", EntryPoint = "llistxattr", SetLastError = true)]
    private static partial nint ListAttributes(byte[] path, byte[] list, nint size);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true)]
    private static partial int Open(byte[] path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int fd);

    [LibraryImport("libc", EntryPoint = "mkdir", SetLastError = true)]
    private static partial int MakeDirectory(byte[] path, int mode);

    [LibraryImport("libc", EntryPoint = "chmod", SetLastError = true)]
    private static partial int ChangeMode(byte[] path, int mode);
}
