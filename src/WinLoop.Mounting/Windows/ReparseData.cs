using System.Runtime.InteropServices;
using WinLoop.Ext4.Format;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Mounting.Windows;

/// <summary>
/// REPARSE_DATA_BUFFER of symlinks and special files: u32 tag, u16 length of what follows the header, u16 0, data.
/// </summary>
/// <remarks>
/// Sockets, FIFOs and devices have WSL's tags and no data; a device's numbers are in the EA $LXDEV. A symlink read by
/// Windows always has the symlink tag; WSL's own (version 2 and the target's bytes) is understood when set.
/// Targets are translated by <see cref="LinkTarget"/>.
/// </remarks>
internal static class ReparseData
{
#pragma warning disable CS1591
    public const uint MountPointTag = 0xA0000003, SymlinkTag = 0xA000000C, LxSymlinkTag = 0xA000001D, AfUnixTag = 0x80000023,
        LxFifoTag = 0x80000024, LxCharTag = 0x80000025, LxBlockTag = 0x80000026;
#pragma warning restore CS1591

    /// <summary>Bytes of the longest buffer, MAXIMUM_REPARSE_DATA_BUFFER_SIZE.</summary>
    public const int MaxLength = 16384;

    private const int HeaderLength = 8, SymlinkHeaderLength = 12, LxVersion = 2, GuidLength = 16;
    private const uint RelativeFlag = 1, LastReservedTag = 1, MicrosoftBit = 0x80000000;

    /// <summary>The tag of an inode; 0 for files and directories.</summary>
    public static uint TagOf(ushort mode) => (mode & InodeMode.TypeMask) switch
    {
        InodeMode.Symlink => SymlinkTag,
        InodeMode.Socket => AfUnixTag,
        InodeMode.Fifo => LxFifoTag,
        InodeMode.CharDevice => LxCharTag,
        InodeMode.BlockDevice => LxBlockTag,
        _ => 0,
    };

    /// <summary>The buffer of an inode.</summary>
    /// <param name="mode">i_mode.</param>
    /// <param name="target">What a symlink holds; ignored for other types.</param>
    /// <param name="buffer">Where to.</param>
    /// <param name="length">Bytes written; what is needed if it does not fit.</param>
    /// <returns>NotAReparsePoint, BufferTooSmall, or IoReparseDataInvalid for a target that no path can be.</returns>
    public static NtStatus Encode(ushort mode, ReadOnlySpan<byte> target, Span<byte> buffer, out int length)
    {
        uint tag = TagOf(mode);
        length = 0;
        if (tag == 0)
        {
            return NtStatus.NotAReparsePoint;
        }
        if (tag != SymlinkTag)
        {
            length = HeaderLength;
            return buffer.Length < length ? NtStatus.BufferTooSmall : WriteHeader(buffer, tag, 0);
        }
        if (target.IsEmpty || target.Length > LinkTarget.MaxLength)
        {
            return NtStatus.IoReparseDataInvalid;
        }
        Span<char> path = stackalloc char[target.Length];
        path = path[..LinkTarget.ToWindows(target, path, out bool isNt)];
        ReadOnlySpan<char> print = isNt ? path[LinkTarget.NtPrefix.Length..] : path;

        // The longest targets leave no room for the printed form, which may be missing.
        int withoutPrint = HeaderLength + SymlinkHeaderLength + 2 * path.Length;
        if (withoutPrint + 2 * print.Length > MaxLength)
        {
            print = default;
        }
        length = withoutPrint + 2 * print.Length;
        if (buffer.Length < length)
        {
            return NtStatus.BufferTooSmall;
        }
        Span<byte> data = buffer[HeaderLength..];
        WriteUInt16LittleEndian(data, 0);
        WriteUInt16LittleEndian(data[2..], (ushort)(2 * path.Length));
        WriteUInt16LittleEndian(data[4..], (ushort)(2 * path.Length));
        WriteUInt16LittleEndian(data[6..], (ushort)(2 * print.Length));
        WriteUInt32LittleEndian(data[8..], isNt ? 0 : RelativeFlag);
        MemoryMarshal.AsBytes((ReadOnlySpan<char>)path).CopyTo(data[SymlinkHeaderLength..]);
        MemoryMarshal.AsBytes(print).CopyTo(data[(SymlinkHeaderLength + 2 * path.Length)..]);
        return WriteHeader(buffer, SymlinkTag, length - HeaderLength);
    }

    /// <summary>What an inode becomes by a buffer that Windows sets.</summary>
    /// <param name="buffer">Not trusted.</param>
    /// <param name="target">Takes a symlink's target; <see cref="LinkTarget.MaxLength"/> bytes are enough.</param>
    /// <param name="type">The type bits of i_mode.</param>
    /// <param name="targetLength">Bytes of the target; 0 for other types.</param>
    /// <returns>IoReparseDataInvalid; IoReparseTagInvalid for a reserved tag; IoReparseTagNotHandled for what ext4 has
    /// nothing for, junctions among them.</returns>
    public static NtStatus Decode(ReadOnlySpan<byte> buffer, Span<byte> target, out ushort type, out int targetLength)
    {
        type = 0;
        targetLength = 0;
        NtStatus status = Check(buffer, out uint tag, out ReadOnlySpan<byte> data);
        if (status != NtStatus.Success)
        {
            return status;
        }
        switch (tag)
        {
            case SymlinkTag:
                type = InodeMode.Symlink;
                return DecodeSymlink(data, target, out targetLength);
            case LxSymlinkTag:
                type = InodeMode.Symlink;
                return DecodeLxSymlink(data, target, out targetLength);
            case AfUnixTag:
                type = InodeMode.Socket;
                break;
            case LxFifoTag:
                type = InodeMode.Fifo;
                break;
            case LxCharTag:
                type = InodeMode.CharDevice;
                break;
            case LxBlockTag:
                type = InodeMode.BlockDevice;
                break;
            default:
                return NtStatus.IoReparseTagNotHandled;
        }
        return data.IsEmpty ? NtStatus.Success : NtStatus.IoReparseDataInvalid;
    }

    /// <summary>Checks the buffer of FSCTL_DELETE_REPARSE_POINT: a header with the tag and no data.</summary>
    public static NtStatus CheckDelete(ReadOnlySpan<byte> buffer, ushort mode)
    {
        uint current = TagOf(mode);
        if (current == 0)
        {
            return NtStatus.NotAReparsePoint;
        }
        NtStatus status = Check(buffer, out uint tag, out ReadOnlySpan<byte> data);
        return status != NtStatus.Success ? status
            : !data.IsEmpty ? NtStatus.IoReparseDataInvalid
            : tag != current && !(current == SymlinkTag && tag == LxSymlinkTag) ? NtStatus.IoReparseTagMismatch
            : NtStatus.Success;
    }

    private static NtStatus Check(ReadOnlySpan<byte> buffer, out uint tag, out ReadOnlySpan<byte> data)
    {
        tag = 0;
        data = default;
        if (buffer.Length is < HeaderLength or > MaxLength)
        {
            return NtStatus.IoReparseDataInvalid;
        }
        tag = ReadUInt32LittleEndian(buffer);
        int length = ReadUInt16LittleEndian(buffer[4..]);
        if (tag <= LastReservedTag)
        {
            return NtStatus.IoReparseTagInvalid;
        }

        // Tags that are not Microsoft's have a GUID in the header.
        int header = (tag & MicrosoftBit) != 0 ? HeaderLength : HeaderLength + GuidLength;
        if (header + length != buffer.Length)
        {
            return NtStatus.IoReparseDataInvalid;
        }
        data = buffer[header..];
        return NtStatus.Success;
    }

    private static NtStatus DecodeSymlink(ReadOnlySpan<byte> data, Span<byte> target, out int targetLength)
    {
        targetLength = 0;
        if (data.Length < SymlinkHeaderLength)
        {
            return NtStatus.IoReparseDataInvalid;
        }
        ReadOnlySpan<byte> paths = data[SymlinkHeaderLength..];
        if (!TryPath(paths, ReadUInt16LittleEndian(data), ReadUInt16LittleEndian(data[2..]), out ReadOnlySpan<byte> path)
            || !TryPath(paths, ReadUInt16LittleEndian(data[4..]), ReadUInt16LittleEndian(data[6..]), out _)
            || path.IsEmpty || path.Length / 2 > LinkTarget.MaxLength)
        {
            return NtStatus.IoReparseDataInvalid;
        }

        // Copied, because nothing says that the units are aligned.
        Span<char> units = stackalloc char[path.Length / 2];
        path.CopyTo(MemoryMarshal.AsBytes(units));
        bool isRelative = (ReadUInt32LittleEndian(data[8..]) & RelativeFlag) != 0;
        int length = LinkTarget.FromWindows(units, !isRelative, target);
        targetLength = Math.Max(length, 0);
        return length > 0 ? NtStatus.Success : NtStatus.IoReparseDataInvalid;
    }

    private static bool TryPath(ReadOnlySpan<byte> paths, int offset, int length, out ReadOnlySpan<byte> path)
    {
        bool isInside = (offset & 1) == 0 && (length & 1) == 0 && offset + length <= paths.Length;
        path = isInside ? paths.Slice(offset, length) : default;
        return isInside;
    }

    private static NtStatus DecodeLxSymlink(ReadOnlySpan<byte> data, Span<byte> target, out int targetLength)
    {
        targetLength = 0;
        if (data.Length <= 4 || ReadUInt32LittleEndian(data) != LxVersion)
        {
            return NtStatus.IoReparseDataInvalid;
        }
        ReadOnlySpan<byte> bytes = data[4..];
        if (bytes.Length > LinkTarget.MaxLength || bytes.Length > target.Length || bytes.Contains((byte)0))
        {
            return NtStatus.IoReparseDataInvalid;
        }
        bytes.CopyTo(target);
        targetLength = bytes.Length;
        return NtStatus.Success;
    }

    private static NtStatus WriteHeader(Span<byte> buffer, uint tag, int length)
    {
        WriteUInt32LittleEndian(buffer, tag);
        WriteUInt16LittleEndian(buffer[4..], (ushort)length);
        WriteUInt16LittleEndian(buffer[6..], 0);
        return NtStatus.Success;
    }
}
