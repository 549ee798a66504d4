using System.Buffers.Binary;

namespace WinLoop.Storage;

/// <summary>Whether an ext file system seems to begin at a place: enough to choose, not to trust.</summary>
internal static class ExtProbe
{
    private const int SuperblockOffset = 1024;
    private const int InodesCount = 0x00;
    private const int BlocksCount = 0x04;
    private const int LogBlockSize = 0x18;
    private const int Magic = 0x38;
    private const ushort MagicValue = 0xEF53;

    /// <summary>The largest block size there is, 64 KiB, as <c>s_log_block_size</c>.</summary>
    private const uint MaxLogBlockSize = 6;

    /// <param name="device">Where to look.</param>
    /// <param name="start">First byte of the possible file system.</param>
    /// <param name="length">How many bytes it could have.</param>
    internal static bool IsExt(IBlockDevice device, long start, long length)
    {
        Span<byte> superblock = stackalloc byte[1024];
        if (length < SuperblockOffset + superblock.Length)
        {
            return false;
        }

        device.Read(superblock, start + SuperblockOffset);
        return BinaryPrimitives.ReadUInt16LittleEndian(superblock[Magic..]) == MagicValue &&
            BinaryPrimitives.ReadUInt32LittleEndian(superblock[LogBlockSize..]) <= MaxLogBlockSize &&
            BinaryPrimitives.ReadUInt32LittleEndian(superblock[InodesCount..]) != 0 &&
            BinaryPrimitives.ReadUInt32LittleEndian(superblock[BlocksCount..]) != 0;
    }
}
