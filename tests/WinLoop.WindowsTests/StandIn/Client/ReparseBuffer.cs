using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace WinLoop.WindowsTests.StandIn.Client;

/// <summary>REPARSE_DATA_BUFFERs, as programs make and read them.</summary>
internal static class ReparseBuffer
{
    public const uint Symlink = 0xA000000C, Junction = 0xA0000003, LxSymlink = 0xA000001D, AfUnix = 0x80000023, LxFifo = 0x80000024,
        LxChar = 0x80000025, LxBlock = 0x80000026;

    private const int SymlinkHead = 20;
    private const uint RelativeFlag = 1, LxVersion = 2;

    /// <summary>Any tag with its data.</summary>
    public static byte[] Make(uint tag, params ReadOnlySpan<byte> data) => [.. BitConverter.GetBytes(tag), .. BitConverter.GetBytes(data.Length), .. data];

    /// <summary>A link as CreateSymbolicLinkW makes it; printed as it leads.</summary>
    public static byte[] MakeSymlink(string target, bool isRelative = true)
    {
        ReadOnlySpan<byte> path = MemoryMarshal.AsBytes(target.AsSpan());
        byte[] data = new byte[SymlinkHead - 8 + (2 * path.Length)];
        BinaryPrimitives.WriteUInt16LittleEndian(data.AsSpan(2), (ushort)path.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(data.AsSpan(4), (ushort)path.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(data.AsSpan(6), (ushort)path.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(data.AsSpan(8), isRelative ? RelativeFlag : 0);
        path.CopyTo(data.AsSpan(12));
        path.CopyTo(data.AsSpan(12 + path.Length));
        return Make(Symlink, data);
    }

    /// <summary>A link as WSL makes it.</summary>
    public static byte[] MakeLxSymlink(ReadOnlySpan<byte> target) => Make(LxSymlink, [.. BitConverter.GetBytes(LxVersion), .. target]);

    /// <summary>The tag.</summary>
    public static uint TagOf(byte[] buffer) => BitConverter.ToUInt32(buffer);

    /// <summary>Where a link leads.</summary>
    public static (string Target, bool IsRelative) ReadSymlink(byte[] buffer)
    {
        Assert.Equal(Symlink, TagOf(buffer));
        return (Encoding.Unicode.GetString(buffer, SymlinkHead + BitConverter.ToUInt16(buffer, 8), BitConverter.ToUInt16(buffer, 10)),
            (BitConverter.ToUInt32(buffer, 16) & RelativeFlag) != 0);
    }
}
