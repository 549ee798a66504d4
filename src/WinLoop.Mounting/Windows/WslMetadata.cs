using System.Text;
using WinLoop.Ext4.Format;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Mounting.Windows;

/// <summary>
/// WSL's EAs that carry Linux metadata. They are made from the inode when read and applied to it when set, never stored:
/// <c>$LXUID</c>, <c>$LXGID</c>, <c>$LXMOD</c> (type bits included) are u32, <c>$LXDEV</c> is u32 major and u32 minor.
/// </summary>
internal struct WslMetadata
{
    /// <summary>Device numbers of Linux: 12 bits of major, 20 of minor.</summary>
    private const uint MaxMajor = 0xFFF, MaxMinor = 0xFFFFF;

    /// <summary>New owner.</summary>
    public uint? Uid { get; private set; }

    /// <summary>New group.</summary>
    public uint? Gid { get; private set; }

    /// <summary>New mode with type bits.</summary>
    public ushort? Mode { get; private set; }

    /// <summary>New device number, in the 32-bit form of Linux's new_encode_dev.</summary>
    public uint? Device { get; private set; }

    /// <summary>True if any was set.</summary>
    public readonly bool IsAny => Uid is not null || Gid is not null || Mode is not null || Device is not null;

    private static ReadOnlySpan<byte> UidName => "$LXUID"u8;
    private static ReadOnlySpan<byte> GidName => "$LXGID"u8;
    private static ReadOnlySpan<byte> ModeName => "$LXMOD"u8;
    private static ReadOnlySpan<byte> DeviceName => "$LXDEV"u8;

    /// <summary>True if an EA of this name is one of these.</summary>
    public static bool IsName(ReadOnlySpan<byte> name) => name.Length == UidName.Length && name[0] == '$'
        && (Ascii.EqualsIgnoreCase(name, UidName) || Ascii.EqualsIgnoreCase(name, GidName)
            || Ascii.EqualsIgnoreCase(name, ModeName) || Ascii.EqualsIgnoreCase(name, DeviceName));

    /// <summary>Takes the value of one EA for which <see cref="IsName"/> is true.</summary>
    /// <returns>InvalidParameter if the length or the number is not one that Linux has. An empty value, which deletes,
    /// changes nothing: the inode always has its metadata.</returns>
    public NtStatus Set(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        if (value.IsEmpty)
        {
            return NtStatus.Success;
        }
        if (Ascii.EqualsIgnoreCase(name, DeviceName))
        {
            if (value.Length != 8)
            {
                return NtStatus.InvalidParameter;
            }
            uint major = ReadUInt32LittleEndian(value), minor = ReadUInt32LittleEndian(value[4..]);
            if (major > MaxMajor || minor > MaxMinor)
            {
                return NtStatus.InvalidParameter;
            }
            Device = EncodeDevice(major, minor);
            return NtStatus.Success;
        }
        if (value.Length != 4)
        {
            return NtStatus.InvalidParameter;
        }
        uint number = ReadUInt32LittleEndian(value);
        if (Ascii.EqualsIgnoreCase(name, ModeName))
        {
            if (number > ushort.MaxValue)
            {
                return NtStatus.InvalidParameter;
            }
            Mode = (ushort)number;
            return NtStatus.Success;
        }

        // −1 is "no change" to Linux and no user.
        if (number == uint.MaxValue)
        {
            return NtStatus.InvalidParameter;
        }
        if (Ascii.EqualsIgnoreCase(name, UidName))
        {
            Uid = number;
        }
        else
        {
            Gid = number;
        }
        return NtStatus.Success;
    }

    /// <summary>Adds the EAs of an inode to a list; false if there is no room for all.</summary>
    /// <param name="list">The list.</param>
    /// <param name="uid">Owner.</param>
    /// <param name="gid">Group.</param>
    /// <param name="mode">i_mode.</param>
    /// <param name="device">Device number as the engine tells it; counts for devices only.</param>
    public static bool TryAddTo(ref EaListWriter list, uint uid, uint gid, ushort mode, uint device)
    {
        Span<byte> value = stackalloc byte[8];
        WriteUInt32LittleEndian(value, uid);
        bool fits = list.TryAdd(UidName, value[..4]);
        WriteUInt32LittleEndian(value, gid);
        fits = fits && list.TryAdd(GidName, value[..4]);
        WriteUInt32LittleEndian(value, mode);
        fits = fits && list.TryAdd(ModeName, value[..4]);
        if ((mode & InodeMode.TypeMask) is InodeMode.CharDevice or InodeMode.BlockDevice)
        {
            (uint major, uint minor) = DecodeDevice(device);
            WriteUInt32LittleEndian(value, major);
            WriteUInt32LittleEndian(value[4..], minor);
            fits = fits && list.TryAdd(DeviceName, value);
        }
        return fits;
    }

    /// <summary>new_encode_dev: low 8 bits of the minor, 12 of the major, the rest of the minor.</summary>
    public static uint EncodeDevice(uint major, uint minor) => minor & 0xFF | (major & MaxMajor) << 8 | (minor & ~0xFFu) << 12;

    /// <summary>The inverse of <see cref="EncodeDevice"/>.</summary>
    public static (uint Major, uint Minor) DecodeDevice(uint device) => (device >> 8 & MaxMajor, device & 0xFF | device >> 12 & 0xFFF00);
}
