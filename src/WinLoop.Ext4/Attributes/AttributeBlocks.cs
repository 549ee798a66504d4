using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Attributes;

/// <summary>
/// The attribute blocks (i_file_acl): shared by reference counts, copied on change.
/// </summary>
/// <remarks>Several inodes' locks may guard one block. So reference counts, and the content of a block that
/// has one reference, change under the buffer's monitor: whoever wants to share a block compares it and
/// counts itself in one step. Content with more references than one never changes.</remarks>
internal sealed class AttributeBlocks(Ext4Volume volume)
{
    /// <summary>h_refcount.</summary>
    public const int ReferencesAt = 4;
    private const int BlockCountAt = 8, HashAt = 0x0C, ChecksumAt = 0x10;

    private readonly SharedBlockIndex _index = new();

    /// <summary>Forgets where blocks to share are: they may have moved.</summary>
    public void ForgetShared() => _index.Clear();

    /// <summary>The inode's attribute block, its header checked. The inode has one.</summary>
    public MetadataBuffer Read(Inode inode)
    {
        MetadataBuffer buffer = volume.Cache.Read(inode.FileAcl, BufferKind.AttributeBlock, volume.Geometry.ChecksumSeed);
        ReadOnlySpan<byte> data = buffer.Data;
        uint references = ReadUInt32LittleEndian(data[ReferencesAt..]);
        if (ReadUInt32LittleEndian(data) != AttributeArea.Magic || ReadUInt32LittleEndian(data[BlockCountAt..]) != 1 ||
            references is 0 or > AttributeArea.MaximumReferences)
        {
            buffer.Dispose();
            throw new Ext4CorruptException($"inode {inode.Number}, attribute block {inode.FileAcl}", "malformed header");
        }
        return buffer;
    }

    /// <summary>Gives the inode a block with other content: shares an equal one, rewrites its own, or allocates.</summary>
    /// <param name="handle">The open handle.</param>
    /// <param name="inode">Locked exclusive; the caller writes it.</param>
    /// <param name="image">One block with the entries and values in place; the header is filled in here.</param>
    /// <exception cref="Ext4Exception">ENOSPC; nothing was changed.</exception>
    public void Replace(Handle handle, Inode inode, Span<byte> image)
    {
        uint hash = AttributeHash.OfBlock(new AttributeArea(image, AttributeArea.BlockHeaderSize));
        image[..AttributeArea.BlockHeaderSize].Clear();
        WriteUInt32LittleEndian(image, AttributeArea.Magic);
        WriteUInt32LittleEndian(image[ReferencesAt..], 1);
        WriteUInt32LittleEndian(image[BlockCountAt..], 1);
        WriteUInt32LittleEndian(image[HashAt..], hash);

        ulong old = inode.FileAcl;
        if (TryShare(handle, inode, image, hash, out ulong shared))
        {
            inode.Sectors += (ulong)volume.Geometry.SectorsPerBlock;
            ReleaseOld(handle, inode, old);
            inode.FileAcl = shared;
            return;
        }
        if (old != 0 && TryRewrite(handle, inode, image, hash))
        {
            return;
        }
        // The inode's group is a good place; the inode may have no extent to be near to.
        ulong goal = volume.Geometry.GroupStart(volume.Geometry.GroupOfInode(inode.Number));
        ulong block = volume.Blocks.AllocateMetadata(handle, inode, goal);
        using (MetadataBuffer buffer = volume.Cache.GetNew(block, BufferKind.AttributeBlock, volume.Geometry.ChecksumSeed))
        {
            handle.Join(buffer);
            lock (buffer)
            {
                image.CopyTo(buffer.Data);
            }
        }
        ReleaseOld(handle, inode, old);
        inode.FileAcl = block;
        _index.Add(hash, block);
        MarkFeature(handle);
    }

    /// <summary>Takes the inode's block away: one reference less, and free when that was the last.</summary>
    public void Release(Handle handle, Inode inode)
    {
        ReleaseOld(handle, inode, inode.FileAcl);
        inode.FileAcl = 0;
    }

    private bool TryShare(Handle handle, Inode inode, ReadOnlySpan<byte> image, uint hash, out ulong block)
    {
        if (hash == 0 || !_index.TryGet(hash, out block) || block == inode.FileAcl)
        {
            block = 0;
            return false;
        }
        using MetadataBuffer buffer = volume.Cache.Read(block, BufferKind.AttributeBlock, volume.Geometry.ChecksumSeed);
        handle.Join(buffer);
        lock (buffer)
        {
            Span<byte> data = buffer.Data;
            uint references = ReadUInt32LittleEndian(data[ReferencesAt..]);
            if (references is 0 or >= AttributeArea.MaximumReferences ||
                ReadUInt32LittleEndian(data[HashAt..]) != hash ||
                !data[AttributeArea.BlockHeaderSize..].SequenceEqual(image[AttributeArea.BlockHeaderSize..]))
            {
                return false;
            }
            WriteUInt32LittleEndian(data[ReferencesAt..], references + 1);
            return true;
        }
    }

    private bool TryRewrite(Handle handle, Inode inode, ReadOnlySpan<byte> image, uint hash)
    {
        using MetadataBuffer buffer = Read(inode);
        handle.Join(buffer);
        uint oldHash;
        lock (buffer)
        {
            Span<byte> data = buffer.Data;
            if (ReadUInt32LittleEndian(data[ReferencesAt..]) != 1)
            {
                return false;
            }
            oldHash = ReadUInt32LittleEndian(data[HashAt..]);
            image.CopyTo(data);
        }
        _index.Remove(oldHash, inode.FileAcl);
        _index.Add(hash, inode.FileAcl);
        return true;
    }

    private void ReleaseOld(Handle handle, Inode inode, ulong block)
    {
        if (block == 0)
        {
            return;
        }
        uint references;
        using (MetadataBuffer buffer = Read(inode))
        {
            handle.Join(buffer);
            lock (buffer)
            {
                Span<byte> data = buffer.Data;
                references = ReadUInt32LittleEndian(data[ReferencesAt..]) - 1;
                // Zero in a block about to be freed keeps others from sharing it.
                WriteUInt32LittleEndian(data[ReferencesAt..], references);
                if (references == 0)
                {
                    _index.Remove(ReadUInt32LittleEndian(data[HashAt..]), block);
                }
            }
        }
        if (references == 0)
        {
            volume.Blocks.Free(handle, inode, block, 1, isMetadata: true);
        }
        else
        {
            inode.Sectors -= Math.Min(inode.Sectors, (ulong)volume.Geometry.SectorsPerBlock);
        }
    }

    private void MarkFeature(Handle handle)
    {
        Superblock superblock = volume.Superblock;
        if (!superblock.Has(CompatFeatures.ExtAttr))
        {
            lock (superblock)
            {
                superblock.Compat |= CompatFeatures.ExtAttr;
            }
            handle.JoinSuperblock();
        }
    }
}
