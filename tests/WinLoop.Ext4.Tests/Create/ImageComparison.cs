using System.Text;
using WinLoop.Ext4.Format;

namespace WinLoop.Ext4.Tests.Create;

/// <summary>Compares two images block by block, reading only where one of them has data.</summary>
internal static class ImageComparison
{
    private const int Shown = 20;

    /// <summary>The differences, in words; empty = none. s_kbytes_written, and with it the superblocks' checksums,
    /// tell how a volume was written and are left out; so is the unused part of a journal's extent root, where
    /// mkfs.ext4 leaves bytes behind when it moves the extents to a block.</summary>
    /// <param name="theirs">Made by mkfs.ext4.</param>
    /// <param name="ours">Made by WinLoop.</param>
    public static string Describe(SparseFile theirs, SparseFile ours)
    {
        Superblock sb = SuperblockReader.Read(theirs);
        Geometry geometry = Geometry.Create(sb, theirs.Length);
        var descriptor = new byte[geometry.DescriptorSize];
        theirs.Read(descriptor, (long)(geometry.FirstDataBlock + 1) * geometry.BlockSize);
        long journal = ((long)new GroupDescriptor(descriptor).InodeTable * geometry.BlockSize) + (7 * geometry.InodeSize);
        var raw = new byte[128];
        theirs.Read(raw, journal);
        bool hasJournalLeaf = raw[0x28 + 6] != 0;
        var mask = new Dictionary<long, (int At, int Length)[]>();
        for (uint group = 0; group < geometry.GroupCount; group++)
        {
            if (geometry.HasSuperblock(group))
            {
                long at = group == 0 ? Superblock.Offset : (long)geometry.GroupStart(group) * geometry.BlockSize;
                int inChunk = (int)(at % 4096);
                mask[at - inChunk] = hasJournalLeaf
                    ? [(inChunk + 0x178, 8), (inChunk + 0x3FC, 4), (inChunk + 0x124, 36)]
                    : [(inChunk + 0x178, 8), (inChunk + 0x3FC, 4)];
            }
        }
        if (hasJournalLeaf)
        {
            int inChunk = (int)(journal % 4096);
            mask[journal - inChunk] = [(inChunk + 0x28 + 24, 36), (inChunk + 0x7C, 2), (inChunk + 0x82, 2)];
        }

        var text = new StringBuilder();
        int count = 0;
        Span<byte> a = new byte[4096], b = new byte[4096];
        var chunks = new SortedSet<long>();
        foreach ((long start, long end) in theirs.DataRanges().Concat(ours.DataRanges()))
        {
            for (long chunk = start & ~4095L; chunk < end; chunk += 4096)
            {
                chunks.Add(chunk);
            }
        }
        foreach (long chunk in chunks)
        {
            int length = (int)Math.Min(4096, theirs.Length - chunk);
            theirs.Read(a[..length], chunk);
            ours.Read(b[..length], chunk);
            foreach ((int at, int masked) in mask.GetValueOrDefault(chunk) ?? [])
            {
                a.Slice(at, masked).Clear();
                b.Slice(at, masked).Clear();
            }
            for (int i = 0; i < length; i++)
            {
                if (a[i] != b[i] && count++ < Shown)
                {
                    long offset = chunk + i;
                    text.AppendLine($"byte {offset} (block {offset / geometry.BlockSize} + 0x{offset % geometry.BlockSize:X}): {a[i]:X2} theirs, {b[i]:X2} ours");
                }
            }
        }
        return count == 0 ? "" : $"{count} bytes differ, the first:\n{text}";
    }
}
