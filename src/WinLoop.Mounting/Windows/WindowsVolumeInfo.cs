namespace WinLoop.Mounting.Windows;

/// <summary>What Windows asks of a volume.</summary>
/// <param name="TotalSize">Bytes.</param>
/// <param name="FreeSize">Bytes that may still be written, reservations taken off.</param>
/// <param name="Label">At most 32 characters.</param>
public readonly record struct WindowsVolumeInfo(ulong TotalSize, ulong FreeSize, string Label);

/// <summary>What is announced once, when the volume appears.</summary>
/// <param name="SectorSize">Bytes; 512.</param>
/// <param name="SectorsPerAllocationUnit">The block size in sectors.</param>
/// <param name="CreationTime">s_mkfs_time, in 100 ns since 1601.</param>
/// <param name="SerialNumber">Made of the UUID.</param>
/// <param name="IsReadOnly">Nothing can be written.</param>
/// <param name="IsCaseSensitive">Names that differ in case only are different.</param>
public readonly record struct WindowsVolumeFacts(
    ushort SectorSize, ushort SectorsPerAllocationUnit, ulong CreationTime, uint SerialNumber, bool IsReadOnly, bool IsCaseSensitive);
