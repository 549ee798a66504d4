using DiscUtils.Streams;
using WinLoop.Ext4;

namespace WinLoop.DiscUtils;

/// <summary>Where a file has data, and where it has holes.</summary>
internal static class FileExtents
{
    /// <summary>The ranges with data that lie in a part of a file, in whole blocks cut at the part's and the file's ends.
    /// What is preallocated and not written counts as a hole.</summary>
    public static IEnumerable<StreamExtent> Of(Ext4Volume volume, Inode inode, long start, long count)
    {
        long end = count > long.MaxValue - start ? long.MaxValue : start + count;
        long offset = start;
        while (offset < end && TrySeek(volume, inode, offset, hole: false, out long data) && data < end)
        {
            if (!TrySeek(volume, inode, data, hole: true, out long hole))
            {
                yield break; // Truncated meanwhile.
            }
            hole = Math.Min(hole, end);
            yield return new StreamExtent(data, hole - data);
            offset = hole;
        }
    }

    private static bool TrySeek(Ext4Volume volume, Inode inode, long offset, bool hole, out long found)
    {
        found = 0;
        if (offset >= inode.Size)
        {
            return false;
        }
        try
        {
            found = volume.Seek(inode, offset, hole);
            return true;
        }
        catch (Ext4Exception e) when (e.Errno == Errno.ENXIO)
        {
            return false;
        }
    }
}
