namespace WinLoop.Ext4.Allocation;

// Giving free blocks back to the device.
internal sealed partial class BlockAllocator
{
    /// <summary>Discards the free runs of at least <paramref name="minimum"/> blocks in a range. While a run is being
    /// discarded it counts as busy: nobody can write to it meanwhile.</summary>
    /// <param name="from">The first block.</param>
    /// <param name="end">The block behind the last.</param>
    /// <param name="minimum">Blocks.</param>
    /// <returns>Blocks discarded.</returns>
    /// <exception cref="Storage.BlockDeviceException">The device failed.</exception>
    public ulong Trim(ulong from, ulong end, ulong minimum)
    {
        EnsureReady();
        ulong discarded = 0;
        while (from < end)
        {
            uint group = _geometry.GroupOfBlock(from);
            ulong start = _geometry.GroupStart(group);
            ulong groupEnd = Math.Min(end, start + _geometry.BlocksInGroup(group));
            discarded += TrimGroup(group, (int)(from - start), (int)(groupEnd - start), minimum);
            from = groupEnd;
        }
        return discarded;
    }

    private ulong TrimGroup(uint group, int from, int end, ulong minimum)
    {
        ulong discarded = 0;
        while (TakeFreeRun(group, ref from, end, minimum) is { Length: > 0 } run)
        {
            try
            {
                _volume.Device.Discard((long)((_geometry.GroupStart(group) + (uint)run.Start) << _geometry.BlockSizeBits),
                    (long)run.Length << _geometry.BlockSizeBits);
                discarded += (uint)run.Length;
            }
            finally
            {
                lock (_groups.LockOf(group))
                {
                    Release(_bitmaps.Get(group), run.Start, run.Length);
                }
            }
        }
        return discarded;
    }

    // The next free run, held; an empty one at the end, or if the group's bitmap is damaged.
    private BitRun TakeFreeRun(uint group, ref int from, int end, ulong minimum)
    {
        lock (_groups.LockOf(group))
        {
            GroupBitmap bitmap;
            try
            {
                bitmap = _bitmaps.Get(group);
            }
            catch (Ext4CorruptException)
            {
                return default;
            }
            while (from < end)
            {
                int start = Bitmap.NextZero(bitmap.Busy, from);
                if (start >= end)
                {
                    break;
                }
                int stop = Bitmap.NextOne(bitmap.Busy, start, end);
                from = stop;
                if ((ulong)(stop - start) >= minimum)
                {
                    Bitmap.Set(bitmap.Busy, start, stop - start);
                    bitmap.Held += stop - start;
                    return new BitRun(start, stop - start);
                }
            }
            return default;
        }
    }
}
