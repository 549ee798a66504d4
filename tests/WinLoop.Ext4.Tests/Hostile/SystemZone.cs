using WinLoop.Ext4.Format;

namespace WinLoop.Ext4.Tests.Hostile;

/// <summary>The blocks of an image that never hold content: superblock, descriptors and their copies, bitmaps, inode tables. Read
/// from the image by itself, without the engine's own idea of it.</summary>
internal sealed class SystemZone
{
    private readonly HashSet<long> _blocks = [];
    private readonly int _blockSizeBits;

    /// <summary>Reads it from what the superblock and the descriptors say; what makes no sense is left out.</summary>
    public SystemZone(Span<byte> image)
    {
        var superblock = new Superblock(image.Slice(Superblock.Offset, Superblock.Size));
        Geometry geometry = Geometry.Create(superblock, image.Length);
        _blockSizeBits = geometry.BlockSizeBits;
        int tableBlocks = (int)(((long)geometry.GroupCount * geometry.DescriptorSize) + geometry.BlockSize - 1) / geometry.BlockSize;
        int first = geometry.BlockSize == 1024 ? 1 : 0;
        Add(first, 1 + tableBlocks);
        int inodeBlocks = (int)(((long)geometry.InodesPerGroup * geometry.InodeSize) + geometry.BlockSize - 1) / geometry.BlockSize;
        for (uint group = 0; group < geometry.GroupCount; group++)
        {
            int at = ((first + 1) << _blockSizeBits) + ((int)group * geometry.DescriptorSize);
            if (at + geometry.DescriptorSize > image.Length)
            {
                return;
            }
            var descriptor = new GroupDescriptor(image.Slice(at, geometry.DescriptorSize));
            Add((long)descriptor.BlockBitmap, 1);
            Add((long)descriptor.InodeBitmap, 1);
            Add((long)descriptor.InodeTable, inodeBlocks);
        }
    }

    /// <summary>Whether a range of bytes touches it.</summary>
    public bool Touches(long offset, long length)
    {
        for (long block = offset >> _blockSizeBits; length > 0 && block <= (offset + length - 1) >> _blockSizeBits; block++)
        {
            if (_blocks.Contains(block))
            {
                return true;
            }
        }
        return false;
    }

    private void Add(long block, int count)
    {
        for (int i = 0; i < count; i++)
        {
            _blocks.Add(block + i);
        }
    }
}
