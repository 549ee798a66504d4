using System.Buffers.Binary;
using System.Text;

namespace WinLoop.Storage.Tests;

/// <summary>Writes partition tables, right and wrong ones.</summary>
internal static class TableBuilder
{
    internal const string LinuxGuid = "0fc63daf-8483-4772-8e79-3d69d8477de4";

    /// <summary>One entry of a boot record; start and size in sectors.</summary>
    internal static void SetEntry(IBlockDevice device, long recordSector, int index, byte type, uint start, uint sectors, byte status = 0)
    {
        Span<byte> entry = stackalloc byte[16];
        entry.Clear();
        entry[0] = status;
        entry[4] = type;
        BinaryPrimitives.WriteUInt32LittleEndian(entry[8..], start);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[12..], sectors);
        device.Write(entry, (recordSector * device.SectorSize) + 446 + (index * 16));
        device.Write([0x55, 0xAA], (recordSector * device.SectorSize) + 510);
    }

    /// <summary>The beginning of an ext superblock.</summary>
    internal static void SetExt(IBlockDevice device, long offset)
    {
        byte[] superblock = new byte[1024];
        superblock[0] = 100;
        superblock[4] = 200;
        superblock[0x18] = 2;
        BinaryPrimitives.WriteUInt16LittleEndian(superblock.AsSpan(0x38), 0xEF53);
        device.Write(superblock, offset + 1024);
    }

    /// <summary>A whole GPT, primary and backup, with the given partitions (first, last sector, name).</summary>
    internal static void SetGpt(IBlockDevice device, params (ulong First, ulong Last, string Name)[] partitions)
    {
        int sector = device.SectorSize;
        ulong sectors = (ulong)(device.Length / sector);
        SetEntry(device, 0, 0, 0xEE, 1, (uint)Math.Min(sectors - 1, uint.MaxValue));
        byte[] entries = new byte[128 * 128];
        for (int i = 0; i < partitions.Length; i++)
        {
            Span<byte> entry = entries.AsSpan(i * 128);
            Guid.Parse(LinuxGuid).TryWriteBytes(entry);
            entry[16] = (byte)(i + 1);
            BinaryPrimitives.WriteUInt64LittleEndian(entry[32..], partitions[i].First);
            BinaryPrimitives.WriteUInt64LittleEndian(entry[40..], partitions[i].Last);
            Encoding.Unicode.GetBytes(partitions[i].Name, entry[56..128]);
        }

        ulong backupEntries = sectors - 1 - ((ulong)entries.Length / (ulong)sector);
        device.Write(entries, 2 * sector);
        device.Write(entries, (long)backupEntries * sector);
        SetHeader(device, 1, sectors - 1, 2, entries);
        SetHeader(device, sectors - 1, 1, backupEntries, entries);
    }

    internal static void SetHeader(
        IBlockDevice device, ulong self, ulong other, ulong entriesSector, byte[] entries, uint count = 128, uint entrySize = 128)
    {
        byte[] header = new byte[device.SectorSize];
        "EFI PART"u8.CopyTo(header);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(8), 0x10000);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(12), 92);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(24), self);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(32), other);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(72), entriesSector);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(80), count);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(84), entrySize);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(88), Crc32.Compute(entries));
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(16), Crc32.Compute(header.AsSpan(0, 92)));
        device.Write(header, (long)self * device.SectorSize);
    }
}
