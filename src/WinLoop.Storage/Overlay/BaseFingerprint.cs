using System.Buffers.Binary;
using System.Globalization;

namespace WinLoop.Storage.Overlay;

/// <summary>One ext file system of a base, by what changes when somebody writes to it.</summary>
/// <param name="Offset">First byte in the base.</param>
/// <param name="Uuid">Its UUID.</param>
/// <param name="WriteTime"><c>s_wtime</c>, seconds since 1970.</param>
internal readonly record struct BaseVolume(long Offset, Guid Uuid, long WriteTime);

/// <summary>By what a base is known again, and known to be unchanged.</summary>
/// <param name="Length">Its size in bytes.</param>
/// <param name="ModifiedTicks">When the file was last written to, in <see cref="DateTime.Ticks"/> of UTC; 0 for a block
/// device, whose node tells nothing.</param>
/// <param name="Volumes">The ext file systems in it, in the order of their places.</param>
internal sealed record BaseFingerprint(long Length, long ModifiedTicks, IReadOnlyList<BaseVolume> Volumes)
{
    /// <summary>More are not kept.</summary>
    internal const int MaxVolumes = 14;

    private const int SuperblockOffset = 1024;
    private const int MagicOffset = 0x38;
    private const ushort Magic = 0xEF53;

    /// <summary>Takes it from a device.</summary>
    /// <param name="device">The base.</param>
    /// <param name="modifiedTicks">See <see cref="ModifiedTicks"/>.</param>
    internal static BaseFingerprint Of(IBlockDevice device, long modifiedTicks)
    {
        var volumes = new List<BaseVolume>();
        foreach (long offset in FindVolumes(device))
        {
            if (volumes.Count < MaxVolumes && ReadVolume(device, offset) is { } volume)
            {
                volumes.Add(volume);
            }
        }

        return new BaseFingerprint(device.Length, modifiedTicks, volumes);
    }

    /// <summary>The file system at a place; null if there is none.</summary>
    internal static BaseVolume? ReadVolume(IBlockDevice device, long offset)
    {
        Span<byte> superblock = stackalloc byte[1024];
        if (offset < 0 || offset > device.Length - SuperblockOffset - superblock.Length)
        {
            return null;
        }

        device.Read(superblock, offset + SuperblockOffset);
        return BinaryPrimitives.ReadUInt16LittleEndian(superblock[MagicOffset..]) != Magic
            ? null
            : new BaseVolume(offset, new Guid(superblock.Slice(0x68, 16), bigEndian: true),
                BinaryPrimitives.ReadUInt32LittleEndian(superblock[0x30..]) | ((long)superblock[0x274] << 32));
    }

    /// <summary>What of the base is not as it was; null if all is.</summary>
    internal string? Difference(BaseFingerprint now)
    {
        if (now.Length != Length)
        {
            return string.Create(CultureInfo.InvariantCulture, $"its size was {Length} bytes and is {now.Length}");
        }

        foreach (BaseVolume was in Volumes)
        {
            BaseVolume found = now.Volumes.FirstOrDefault(v => v.Offset == was.Offset);
            string place = was.Offset == 0 ? "the ext4 file system in it" : string.Create(CultureInfo.InvariantCulture, $"the ext4 file system at byte {was.Offset}");
            if (found == default)
            {
                return $"{place} is gone";
            }

            if (found.Uuid != was.Uuid)
            {
                return $"{place} had the UUID {was.Uuid} and has {found.Uuid}";
            }

            if (found.WriteTime != was.WriteTime)
            {
                return $"{place} was last written at {Seconds(was.WriteTime)} and since then at {Seconds(found.WriteTime)}";
            }
        }

        if (now.Volumes.Count != Volumes.Count)
        {
            return string.Create(CultureInfo.InvariantCulture, $"it held {Volumes.Count} ext4 file systems and holds {now.Volumes.Count}");
        }

        return now.ModifiedTicks == ModifiedTicks
            ? null
            : $"the file was last modified at {Ticks(ModifiedTicks)} and since then at {Ticks(now.ModifiedTicks)}";
    }

    private static List<long> FindVolumes(IBlockDevice device)
    {
        List<long> offsets = [0];
        try
        {
            offsets.AddRange(PartitionTable.Read(device).Partitions.Where(p => p is { IsExtCandidate: true, Start: > 0 }).Select(p => p.Start).Distinct().Order());
        }
        catch (PartitionTableException)
        {
            // A table that cannot be read has no partitions to be known by; the file's own time remains.
        }

        return offsets;
    }

    private static string Seconds(long seconds) => DateTime.UnixEpoch.AddSeconds(seconds).ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    private static string Ticks(long ticks) =>
        ticks is >= 0 and <= 3155378975999999999 ? new DateTime(ticks, DateTimeKind.Utc).ToString("yyyy-MM-dd HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture) : "no known time";
}
