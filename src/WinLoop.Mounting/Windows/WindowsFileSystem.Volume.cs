using WinLoop.Ext4;
using WinLoop.Ext4.Format;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Mounting.Windows;

// The volume as a whole.
public sealed partial class WindowsFileSystem
{
    private const int SectorSize = 512;

    private volatile bool _wasLabelChanged;

    /// <summary>Size, free space, label.</summary>
    public NtStatus GetVolumeInfo(out WindowsVolumeInfo info)
    {
        VolumeStatistics statistics = _volume.GetStatistics();
        ulong blockSize = (ulong)statistics.BlockSize;
        ulong free = _writer.Uid == 0 ? statistics.FreeBlocks : statistics.AvailableBlocks;
        string label = _wasLabelChanged ? _volume.Label : _options.Label ?? _volume.Label;
        info = new WindowsVolumeInfo(statistics.Blocks * blockSize, Math.Min(free, statistics.Blocks) * blockSize,
            label.Length > WindowsOptions.MaxLabel ? label[..WindowsOptions.MaxLabel] : label);
        return NtStatus.Success;
    }

    /// <summary>Renames the volume.</summary>
    public NtStatus SetVolumeLabel(ReadOnlySpan<char> label, out WindowsVolumeInfo info)
    {
        info = default;
        if (IsReadOnly)
        {
            return NtStatus.MediaWriteProtected;
        }
        try
        {
            _volume.SetLabel(label);
            _wasLabelChanged = true;
        }
        catch (Ext4Exception e) when (e.Errno == Errno.EINVAL)
        {
            return NtStatus.InvalidVolumeLabel; // 16 bytes of UTF-8 are all there is
        }
        return GetVolumeInfo(out info);
    }

    private WindowsVolumeFacts MakeFacts()
    {
        ReadOnlySpan<byte> uuid = _volume.Superblock.Uuid;
        uint serial = ReadUInt32LittleEndian(uuid) ^ ReadUInt32LittleEndian(uuid[4..]) ^ ReadUInt32LittleEndian(uuid[8..]) ^
            ReadUInt32LittleEndian(uuid[12..]);
        return new WindowsVolumeFacts(SectorSize, (ushort)(_volume.Geometry.BlockSize / SectorSize),
            WindowsTime.FromTimestamp(new Timestamp(_volume.Superblock.MakeTime, 0)), serial, _volume.IsReadOnly, _options.CaseSensitive);
    }
}
