using WinLoop.Ext4.Format;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Create;

/// <summary>Fills raw inodes of a new volume.</summary>
internal static class InodeImage
{
    /// <summary>i_extra_isize of new inodes that have room for it.</summary>
    public const int ExtraSize = 32;

    /// <summary>Mode, links, size, blocks, flags and times; the block area is the caller's.</summary>
    /// <param name="raw">The inode, zero.</param>
    /// <param name="mode">Type and permissions.</param>
    /// <param name="links">Hard links.</param>
    /// <param name="size">Bytes.</param>
    /// <param name="sectors">512-byte sectors.</param>
    /// <param name="flags">i_flags.</param>
    /// <param name="time">All times.</param>
    public static void Fill(Span<byte> raw, ushort mode, ushort links, ulong size, ulong sectors, InodeFlags flags, Timestamp time)
    {
        WriteUInt16LittleEndian(raw[InodeRecord.ModeAt..], mode);
        WriteUInt16LittleEndian(raw[InodeRecord.LinksAt..], links);
        WriteUInt32LittleEndian(raw[InodeRecord.SizeAt..], (uint)(size & uint.MaxValue));
        WriteUInt32LittleEndian(raw[InodeRecord.SizeHighAt..], (uint)(size >> 32));
        WriteUInt32LittleEndian(raw[InodeRecord.BlocksAt..], (uint)(sectors & uint.MaxValue));
        WriteUInt16LittleEndian(raw[InodeRecord.BlocksHighAt..], (ushort)(sectors >> 32));
        WriteUInt32LittleEndian(raw[InodeRecord.FlagsAt..], (uint)flags);
        bool hasExtra = raw.Length > InodeRecord.GoodOldSize;
        uint extra = FillTimes(raw, time, hasExtra);
        if (hasExtra)
        {
            WriteUInt16LittleEndian(raw[InodeRecord.ExtraSizeAt..], ExtraSize);
            WriteUInt32LittleEndian(raw[InodeRecord.CtimeExtraAt..], extra);
            WriteUInt32LittleEndian(raw[InodeRecord.MtimeExtraAt..], extra);
            WriteUInt32LittleEndian(raw[InodeRecord.AtimeExtraAt..], extra);
            WriteUInt32LittleEndian(raw[InodeRecord.CrtimeAt..], InodeRecord.EncodeTime(time, hasExtra).Seconds);
            WriteUInt32LittleEndian(raw[InodeRecord.CrtimeExtraAt..], extra);
        }
    }

    /// <summary>Owner and group.</summary>
    public static void SetOwner(Span<byte> raw, uint uid, uint gid)
    {
        WriteUInt16LittleEndian(raw[InodeRecord.UidAt..], (ushort)(uid & 0xFFFF));
        WriteUInt16LittleEndian(raw[InodeRecord.UidHighAt..], (ushort)(uid >> 16));
        WriteUInt16LittleEndian(raw[InodeRecord.GidAt..], (ushort)(gid & 0xFFFF));
        WriteUInt16LittleEndian(raw[InodeRecord.GidHighAt..], (ushort)(gid >> 16));
    }

    /// <summary>Access, change and modification time; returns the word for their extra fields.</summary>
    public static uint FillTimes(Span<byte> raw, Timestamp time, bool hasExtra)
    {
        (uint seconds, uint extra) = InodeRecord.EncodeTime(time, hasExtra);
        WriteUInt32LittleEndian(raw[InodeRecord.AtimeAt..], seconds);
        WriteUInt32LittleEndian(raw[InodeRecord.CtimeAt..], seconds);
        WriteUInt32LittleEndian(raw[InodeRecord.MtimeAt..], seconds);
        return extra;
    }
}
