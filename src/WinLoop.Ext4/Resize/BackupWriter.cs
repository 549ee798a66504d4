using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;

namespace WinLoop.Ext4.Resize;

/// <summary>
/// Brings the copies of superblock and descriptors up to the volume's size. They are as stale as copies always are
/// between two resizes: free counts and states are the primary's only.
/// </summary>
internal sealed class BackupWriter(Ext4Volume volume)
{
    private const int BlocksPerHandle = 32;

    /// <summary>Writes all copies, a few blocks in a transaction.</summary>
    /// <param name="firstChangedGroup">Descriptors before this group are as they were.</param>
    public void WriteAll(uint firstChangedGroup)
    {
        Geometry geometry = volume.Geometry;
        uint firstTable = firstChangedGroup / (uint)geometry.DescriptorsPerBlock;
        bool isNew;
        for (uint group = 1; group < geometry.GroupCount; group++)
        {
            if (geometry.HasSuperblock(group))
            {
                isNew = group >= firstChangedGroup;
                WriteTable(group, isNew ? 0 : firstTable);
                WriteSuperblock(group);
            }
        }
    }

    private void WriteTable(uint group, uint first)
    {
        Geometry geometry = volume.Geometry;
        for (uint at = first; at < geometry.DescriptorBlocks; at += BlocksPerHandle)
        {
            // With the handle open no commit encodes descriptors: the copy is of one moment.
            using Handle handle = volume.Journal.Start(BlocksPerHandle);
            for (uint i = at; i < Math.Min(at + BlocksPerHandle, geometry.DescriptorBlocks); i++)
            {
                using MetadataBuffer primary = volume.Cache.Read(volume.Groups.DescriptorBlock(i * (uint)geometry.DescriptorsPerBlock), BufferKind.Descriptors);
                using MetadataBuffer copy = volume.Cache.GetNew(geometry.GroupStart(group) + 1 + i, BufferKind.Raw);
                handle.Join(copy);
                primary.Data.CopyTo(copy.Data);
            }
        }
    }

    private void WriteSuperblock(uint group)
    {
        using Handle handle = volume.Journal.Start(1);
        using MetadataBuffer buffer = volume.Cache.GetNew(volume.Geometry.GroupStart(group), BufferKind.Raw);
        handle.Join(buffer);
        Superblock copy;
        lock (volume.Superblock)
        {
            copy = new Superblock(volume.Superblock.Raw);
        }
        // A backup never says that the volume is clean, nor that there is something to recover.
        copy.BlockGroupNumber = (ushort)Math.Min(group, ushort.MaxValue);
        copy.State = 0;
        copy.Incompat &= ~IncompatFeatures.Recover;
        copy.RoCompat &= ~RoCompatFeatures.OrphanPresent;
        copy.UpdateChecksum();
        copy.Raw.CopyTo(buffer.Data);
    }
}
