using WinLoop.Storage;

namespace WinLoop.Images.Vmdk;

/// <summary>What a delta link shows where it has no grain of its own: an extent's range of the parent.</summary>
/// <param name="disk">The parent.</param>
/// <param name="start">Where the extent begins in it.</param>
internal sealed class VmdkParent(IBlockDevice disk, long start)
{
    /// <summary>Reads from a place of the extent on. Behind the end of the parent there are zeroes.</summary>
    public void Read(Span<byte> buffer, long offset)
    {
        int there = (int)Math.Clamp(disk.Length - start - offset, 0, buffer.Length);
        if (there > 0)
        {
            disk.Read(buffer[..there], start + offset);
        }

        buffer[there..].Clear();
    }
}
