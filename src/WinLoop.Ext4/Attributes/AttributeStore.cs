using System.Buffers;
using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Attributes;

/// <summary>
/// Extended attributes: in the inode, then in one block that several inodes may share. Names are given with
/// their prefix (<c>user.x</c>, <c>system.posix_acl_access</c>). Callers hold the inode lock: shared to read,
/// exclusive to change. POSIX ACLs cross this interface in the getxattr form (version 2) and are stored in
/// ext4's own form (version 1).
/// </summary>
internal sealed partial class AttributeStore(Ext4Volume volume)
{
    /// <summary>The most blocks that one change joins.</summary>
    public const int Credits = 12;

    private const int InlineHeaderSize = 4;

    // Stands for an area without attributes.
    private static readonly byte[] s_emptyBlock = new byte[65536];

    private readonly AttributeBlocks _blocks = new(volume);

    /// <inheritdoc cref="AttributeBlocks.ForgetShared"/>
    public void ForgetShared() => _blocks.ForgetShared();


    /// <summary>The value's length, −1 if there is no such attribute; fills <paramref name="buffer"/> if it is
    /// not empty.</summary>
    /// <exception cref="Ext4Exception">ERANGE: the buffer is too small; EOPNOTSUPP: unknown prefix.</exception>
    public int Get(Inode inode, ReadOnlySpan<byte> name, Span<byte> buffer)
    {
        AttributeIndex index = AttributeName.Parse(name, out ReadOnlySpan<byte> rest);
        return GetValue(inode, index, rest, buffer, isWire: true);
    }

    /// <summary>All names, each with its prefix and a NUL; returns the length, fills <paramref name="buffer"/> if
    /// it is not empty. <c>system.data</c> is hidden.</summary>
    public int List(Inode inode, Span<byte> buffer)
    {
        int length = 0;
        if (MayHaveInline(inode))
        {
            using MetadataBuffer table = GetInline(inode, out AttributeArea area, out _);
            length = List(area, buffer, length);
        }
        if (inode.FileAcl != 0)
        {
            using MetadataBuffer block = GetBlock(inode, out AttributeArea area);
            length = List(area, buffer, length);
        }
        return length;
    }

    /// <summary>Sets a value inside a handle and updates ctime.</summary>
    /// <exception cref="Ext4Exception">EEXIST, ENODATA, ENOSPC (does not fit), ERANGE (name too long), EOPNOTSUPP.</exception>
    public void Set(Handle handle, Inode inode, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, AttributeSetMode mode)
    {
        AttributeIndex index = AttributeName.Parse(name, out ReadOnlySpan<byte> rest);
        if (index is AttributeIndex.AccessAcl or AttributeIndex.DefaultAcl)
        {
            SetAcl(handle, inode, index, value);
        }
        else
        {
            Change(handle, inode, index, rest, value, remove: false, mode);
        }
    }

    /// <summary>Removes an attribute; false if there is none. Removing an ACL that is not there succeeds, as in the kernel.</summary>
    public bool Remove(Handle handle, Inode inode, ReadOnlySpan<byte> name)
    {
        AttributeIndex index = AttributeName.Parse(name, out ReadOnlySpan<byte> rest);
        return Change(handle, inode, index, rest, default, remove: true, AttributeSetMode.CreateOrReplace) ||
               index is AttributeIndex.AccessAcl or AttributeIndex.DefaultAcl;
    }

    /// <summary>Drops the attribute block of an inode that is being freed.</summary>
    public void FreeAll(Handle handle, Inode inode)
    {
        if (inode.FileAcl != 0)
        {
            _blocks.Release(handle, inode);
        }
    }

    private int GetValue(Inode inode, AttributeIndex index, ReadOnlySpan<byte> name, Span<byte> buffer, bool isWire)
    {
        if (MayHaveInline(inode))
        {
            using MetadataBuffer table = GetInline(inode, out AttributeArea area, out _);
            if (!area.IsEmpty && area.TryFind(index, name, out AttributeEntry entry))
            {
                return Copy(index, area.ValueOf(entry), buffer, isWire);
            }
        }
        if (inode.FileAcl != 0)
        {
            using MetadataBuffer block = GetBlock(inode, out AttributeArea area);
            if (area.TryFind(index, name, out AttributeEntry entry))
            {
                return Copy(index, area.ValueOf(entry), buffer, isWire);
            }
        }
        return -1;
    }

    private static int Copy(AttributeIndex index, ReadOnlySpan<byte> value, Span<byte> buffer, bool isWire)
    {
        if (isWire && index is (AttributeIndex.AccessAcl or AttributeIndex.DefaultAcl))
        {
            return PosixAcl.ToWire(value, buffer);
        }
        if (!buffer.IsEmpty)
        {
            if (buffer.Length < value.Length)
            {
                throw new Ext4Exception(Errno.ERANGE);
            }
            value.CopyTo(buffer);
        }
        return value.Length;
    }

    private static int List(AttributeArea area, Span<byte> buffer, int length)
    {
        if (area.IsEmpty)
        {
            return length;
        }
        for (int at = area.First; area.TryRead(ref at, out AttributeEntry entry);)
        {
            ReadOnlySpan<byte> prefix = AttributeName.Prefix(entry.Index);
            if (prefix.IsEmpty)
            {
                continue;
            }
            // An ACL's whole name is its prefix.
            ReadOnlySpan<byte> name = entry.Index is AttributeIndex.AccessAcl or AttributeIndex.DefaultAcl ? default : area.NameOf(entry);
            int end = length + prefix.Length + name.Length + 1;
            if (!buffer.IsEmpty)
            {
                if (end > buffer.Length)
                {
                    throw new Ext4Exception(Errno.ERANGE);
                }
                prefix.CopyTo(buffer[length..]);
                name.CopyTo(buffer[(length + prefix.Length)..]);
                buffer[end - 1] = 0;
            }
            length = end;
        }
        return length;
    }

    // Sets or removes one attribute. Everything that may fail comes before the first change. False: nothing to remove.
    private bool Change(Handle handle, Inode inode, AttributeIndex index, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value,
        bool remove, AttributeSetMode mode)
    {
        int blockSize = volume.Geometry.BlockSize;
        MetadataBuffer table = GetInline(inode, out AttributeArea inline, out Span<byte> slot);
        MetadataBuffer? ownBlock = null;
        byte[] scratch = ArrayPool<byte>.Shared.Rent(blockSize + volume.Geometry.InodeSize);
        try
        {
            Span<byte> blockImage = scratch.AsSpan(0, blockSize);
            Span<byte> inlineImage = scratch.AsSpan(blockSize, inline.Length);
            AttributeArea block = default;
            if (inode.FileAcl != 0)
            {
                ownBlock = GetBlock(inode, out block);
            }
            else
            {
                block = new AttributeArea(s_emptyBlock.AsSpan(0, blockSize), AttributeArea.BlockHeaderSize);
            }

            AttributeEntry found = default;
            bool isInline = !inline.IsEmpty && inline.TryFind(index, name, out found);
            bool isInBlock = !isInline && ownBlock is not null && block.TryFind(index, name, out found);
            bool exists = isInline || isInBlock;
            if (!exists && (remove || (mode & AttributeSetMode.Replace) != 0))
            {
                return !remove ? throw new Ext4Exception(Errno.ENODATA) : false;
            }
            if (exists && (mode & AttributeSetMode.Create) != 0)
            {
                throw new Ext4Exception(Errno.EEXIST);
            }
            if (exists && !remove && (isInline ? inline : block).ValueOf(found).SequenceEqual(value))
            {
                return true;
            }

            // In the inode if it fits, otherwise in the block; the other one loses it.
            int inlineCount = 0, blockCount = 0;
            bool goesInline = !remove && inline.Length > 0 &&
                inline.TryRebuild(inlineImage, index, name, value, remove: false, isBlock: false, out inlineCount);
            bool goesToBlock = !remove && !goesInline;
            if (goesToBlock && !block.TryRebuild(blockImage, index, name, value, remove: false, isBlock: true, out blockCount))
            {
                throw new Ext4Exception(Errno.ENOSPC, "the attributes do not fit the inode and one block");
            }
            bool inlineChanges = goesInline, blockChanges = goesToBlock;
            if (isInline && !goesInline)
            {
                inline.TryRebuild(inlineImage, index, name, default, remove: true, isBlock: false, out inlineCount);
                inlineChanges = true;
            }
            if (isInBlock && !goesToBlock)
            {
                block.TryRebuild(blockImage, index, name, default, remove: true, isBlock: true, out blockCount);
                blockChanges = true;
            }

            ownBlock?.Dispose();
            ownBlock = null;
            if (blockChanges)
            {
                if (blockCount > 0)
                {
                    _blocks.Replace(handle, inode, blockImage);
                }
                else
                {
                    _blocks.Release(handle, inode);
                }
            }
            if (inlineChanges)
            {
                handle.Join(table);
                lock (table)
                {
                    inlineImage.CopyTo(slot[InlineHeaderSize..]);
                    WriteUInt32LittleEndian(slot, inlineCount > 0 ? AttributeArea.Magic : 0);
                }
                inode.InlineAttributes = inlineCount > 0 ? InlineState.Present : InlineState.Empty;
            }
        }
        finally
        {
            ownBlock?.Dispose();
            table.Dispose();
            ArrayPool<byte>.Shared.Return(scratch);
        }
        Touch(handle, inode);
        return true;
    }

    private void Touch(Handle handle, Inode inode)
    {
        inode.ChangeTime = Ext4Volume.Clamp(inode, Timestamp.Now);
        inode.Version = unchecked(inode.Version + 1);
        volume.Inodes.Write(handle, inode);
    }

    private static bool MayHaveInline(Inode inode) => inode.InlineAttributes != InlineState.Empty;

    // The bytes behind i_extra_isize, and the attribute area in them behind its magic number: validated, and
    // without entries if there is no magic number.
    private MetadataBuffer GetInline(Inode inode, out AttributeArea area, out Span<byte> bytes)
    {
        MetadataBuffer table = volume.Inodes.GetRaw(inode, out Span<byte> raw);
        bytes = raw.Length > InodeRecord.GoodOldSize && inode.ExtraSize > 0 ? raw[(InodeRecord.GoodOldSize + inode.ExtraSize)..] : default;
        if (bytes.Length <= InlineHeaderSize)
        {
            inode.InlineAttributes = InlineState.Empty;
            area = default;
            return table;
        }
        if (ReadUInt32LittleEndian(bytes) != AttributeArea.Magic)
        {
            inode.InlineAttributes = InlineState.Empty;
            area = new AttributeArea(s_emptyBlock.AsSpan(0, bytes.Length - InlineHeaderSize), 0);
            return table;
        }
        area = new AttributeArea(bytes[InlineHeaderSize..], 0);
        try
        {
            area.Validate(inode.Number);
        }
        catch
        {
            table.Dispose();
            throw;
        }
        inode.InlineAttributes = InlineState.Present;
        return table;
    }

    private MetadataBuffer GetBlock(Inode inode, out AttributeArea area)
    {
        MetadataBuffer buffer = _blocks.Read(inode);
        area = new AttributeArea(buffer.Data, AttributeArea.BlockHeaderSize);
        try
        {
            area.Validate(inode.Number);
        }
        catch
        {
            buffer.Dispose();
            throw;
        }
        return buffer;
    }
}
