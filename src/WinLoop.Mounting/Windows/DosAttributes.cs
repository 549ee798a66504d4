using System.Buffers.Text;
using WinLoop.Ext4.Format;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Mounting.Windows;

/// <summary>
/// FILE_ATTRIBUTE_* of a file: what the inode says, and what <c>user.DOSATTRIB</c> keeps in Samba's layout.
/// </summary>
/// <remarks>
/// The attribute is NDR, little-endian, 32 and 64-bit fields aligned to 4:
/// <code>
/// text, zero-terminated ("0x20" in versions 1..3, empty after)   align 2
/// u16 version, u16 version again                                 align 4
/// 1: u32 attrib, u32 ea_size, u64 size, u64 alloc, u64 create, u64 change
/// 2: u32 flags, then as 1, u64 write, name
/// 3: u32 valid, then as 1
/// 4: u32 valid, u32 attrib, u64 itime, u64 create
/// 5: u32 valid, u32 attrib, u64 create
/// </code>
/// and before version 1 the text alone. All checked against what Samba 4.17 packs; it writes version 5.
/// </remarks>
internal static class DosAttributes
{
#pragma warning disable CS1591
    public const uint ReadOnly = 0x1, Hidden = 0x2, System = 0x4, Directory = 0x10, Archive = 0x20, Normal = 0x80,
        Temporary = 0x100, SparseFile = 0x200, ReparsePoint = 0x400, Offline = 0x1000, NotContentIndexed = 0x2000;
#pragma warning restore CS1591

    /// <summary>INVALID_FILE_ATTRIBUTES: keep what is.</summary>
    public const uint Keep = uint.MaxValue;

    /// <summary>Bytes that <see cref="Write"/> writes.</summary>
    public const int WrittenLength = 24;

    private const uint Storable = ReadOnly | Hidden | System | Archive | Temporary | Offline | NotContentIndexed;
    private const uint AttribIsValid = 0x1, CreateTimeIsValid = 0x10;
    private const ushort AllWrite = 0x92, OwnerWrite = 0x80, AllRead = 0x124;

    /// <summary>The extended attribute's full name.</summary>
    public static ReadOnlySpan<byte> AttributeName => "user.DOSATTRIB"u8;

    /// <summary>Reads the value of <c>user.DOSATTRIB</c>.</summary>
    /// <param name="value">As stored.</param>
    /// <param name="attributes">The bits that a file can have of itself; type bits are taken out.</param>
    /// <param name="createTime">100 ns since 1601; 0 if the value has none.</param>
    /// <returns>False if it is none of the known forms.</returns>
    public static bool TryRead(ReadOnlySpan<byte> value, out uint attributes, out ulong createTime)
    {
        attributes = 0;
        createTime = 0;
        int end = value.IndexOf((byte)0);
        ReadOnlySpan<byte> text = end < 0 ? value : value[..end];
        if (end < 0 || value.Length <= end + 1)
        {
            return TryReadText(text, out attributes);
        }
        int at = (end + 2) & ~1;
        if (value.Length < at + 4)
        {
            return false;
        }
        int version = ReadUInt16LittleEndian(value[at..]);
        if (version != ReadUInt16LittleEndian(value[(at + 2)..]))
        {
            return false;
        }
        ReadOnlySpan<byte> info = value[Math.Min(value.Length, (at + 4 + 3) & ~3)..];
        (int attribAt, int createAt, int length) = version switch
        {
            1 => (0, 24, 40),
            2 => (4, 28, 52),
            3 => (4, 28, 44),
            4 => (4, 16, 24),
            5 => (4, 8, 16),
            _ => (0, 0, int.MaxValue),
        };
        if (info.Length < length)
        {
            return false;
        }
        uint valid = version switch
        {
            1 => AttribIsValid | CreateTimeIsValid,

            // The meaning of version 2's flags is lost; Samba takes no time from it either.
            2 => AttribIsValid,
            _ => ReadUInt32LittleEndian(info),
        };
        if ((valid & AttribIsValid) != 0)
        {
            attributes = ReadUInt32LittleEndian(info[attribAt..]) & Storable;
        }
        if ((valid & CreateTimeIsValid) != 0)
        {
            ulong time = ReadUInt64LittleEndian(info[createAt..]);
            createTime = time > long.MaxValue ? 0 : time;
        }
        return true;
    }

    /// <summary>Writes a value of <see cref="WrittenLength"/> bytes, version 5.</summary>
    /// <param name="destination">At least that long.</param>
    /// <param name="attributes">See <see cref="ToStored"/>.</param>
    /// <param name="createTime">100 ns since 1601; 0 = none.</param>
    /// <returns>Bytes written.</returns>
    public static int Write(Span<byte> destination, uint attributes, ulong createTime)
    {
        destination = destination[..WrittenLength];
        WriteUInt16LittleEndian(destination, 0);
        WriteUInt16LittleEndian(destination[2..], 5);
        WriteUInt32LittleEndian(destination[4..], 5);
        WriteUInt32LittleEndian(destination[8..], createTime == 0 ? AttribIsValid : AttribIsValid | CreateTimeIsValid);
        WriteUInt32LittleEndian(destination[12..], attributes);
        WriteUInt64LittleEndian(destination[16..], createTime);
        return WrittenLength;
    }

    /// <summary>FILE_ATTRIBUTE_* as Windows sees them, never 0.</summary>
    /// <param name="mode">i_mode.</param>
    /// <param name="stored">What <see cref="TryRead"/> found; null if the file has no <c>user.DOSATTRIB</c>, which for
    /// a regular file means ARCHIVE, because that is what Windows gives to every new file.</param>
    /// <param name="hasDotName">The name begins with a dot and is not "." or "..".</param>
    /// <param name="options">HideDotFiles counts.</param>
    /// <param name="linksToDirectory">A symlink whose target is a directory: Windows wants that told.</param>
    public static uint FileAttributesOf(ushort mode, uint? stored, bool hasDotName, WindowsOptions options, bool linksToDirectory = false)
    {
        int type = mode & InodeMode.TypeMask;
        uint attributes = stored is { } bits ? bits & Storable : type == InodeMode.Regular ? Archive : 0;
        switch (type)
        {
            case InodeMode.Directory:
                attributes |= Directory;
                break;
            case InodeMode.Regular:
                attributes |= (mode & AllWrite) == 0 ? ReadOnly : 0;
                break;
            default:
                attributes |= ReparsePoint;
                attributes |= linksToDirectory && type == InodeMode.Symlink ? Directory : 0;
                break;
        }
        if (hasDotName && options.HideDotFiles)
        {
            attributes |= Hidden;
        }
        return attributes == 0 ? Normal : attributes;
    }

    /// <summary>What of the attributes that Windows sets goes into <c>user.DOSATTRIB</c>. READONLY of a regular file
    /// does not: it is the mode's (<see cref="ModeFor"/>), so that chmod on Linux is seen here. A directory keeps it
    /// there, where it is only Explorer's mark of a customised folder and must not take anybody's right to write.</summary>
    public static uint ToStored(uint attributes, ushort mode) => (mode & InodeMode.TypeMask) switch
    {
        InodeMode.Directory => attributes & Storable | Directory,
        InodeMode.Regular => attributes & Storable & ~ReadOnly,
        _ => attributes & Storable,
    };

    /// <summary>True if a file with these stored attributes needs no <c>user.DOSATTRIB</c> at all.</summary>
    public static bool IsDefault(uint stored, ushort mode) => (mode & InodeMode.TypeMask) switch
    {
        InodeMode.Directory => (stored & Storable) == 0,
        InodeMode.Regular => (stored & Storable) == Archive,
        _ => (stored & Storable) == 0,
    };

    /// <summary>The mode that says READONLY or not. Taken from it, a file is writable for whom it is readable, the
    /// umask taken off; the owner always.</summary>
    public static ushort ModeFor(uint attributes, ushort mode, ushort umask)
    {
        if ((mode & InodeMode.TypeMask) != InodeMode.Regular)
        {
            return mode;
        }
        if ((attributes & ReadOnly) != 0)
        {
            return (ushort)(mode & ~AllWrite);
        }
        return (mode & AllWrite) != 0 ? mode : (ushort)(mode | (mode & AllRead) >> 1 & ~umask | OwnerWrite);
    }

    private static bool TryReadText(ReadOnlySpan<byte> text, out uint attributes)
    {
        attributes = 0;
        if (text.Length < 3 || text[0] != '0' || (text[1] | 0x20) != 'x'
            || !Utf8Parser.TryParse(text[2..], out uint bits, out int used, 'x') || used != text.Length - 2)
        {
            return false;
        }
        attributes = bits & Storable;
        return true;
    }
}
