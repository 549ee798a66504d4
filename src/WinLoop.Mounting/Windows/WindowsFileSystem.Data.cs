using WinLoop.Ext4;
using WinLoop.Ext4.Format;

namespace WinLoop.Mounting.Windows;

// Content: read, write, size, durability.
public sealed partial class WindowsFileSystem
{
    /// <summary>Reads; <see cref="NtStatus.EndOfFile"/> at or behind the end.</summary>
    public NtStatus Read(WindowsFile file, Span<byte> buffer, ulong offset, out int transferred)
    {
        transferred = 0;
        if (file.Stream is not null)
        {
            return ReadStream(file, buffer, offset, out transferred);
        }
        if (!file.Inode.IsRegular)
        {
            return NtStatus.InvalidDeviceRequest;
        }
        if (offset > long.MaxValue || offset >= (ulong)file.Inode.Size)
        {
            return NtStatus.EndOfFile;
        }
        transferred = _volume.Read(file.Inode, buffer, (long)offset);
        return transferred == 0 && !buffer.IsEmpty ? NtStatus.EndOfFile : NtStatus.Success;
    }

    /// <summary>Writes.</summary>
    /// <param name="file">The open file.</param>
    /// <param name="buffer">The bytes.</param>
    /// <param name="offset">Where; ignored with <paramref name="toEnd"/>.</param>
    /// <param name="toEnd">Append.</param>
    /// <param name="constrained">Never extend: paging I/O.</param>
    /// <param name="transferred">Bytes written.</param>
    /// <param name="info">Attributes afterwards.</param>
    /// <remarks>Paging I/O comes late, after the program has set the times it wants: it leaves them alone, and the
    /// driver tells with Cleanup whether the time of the last write is to be set.</remarks>
    public NtStatus Write(WindowsFile file, ReadOnlySpan<byte> buffer, ulong offset, bool toEnd, bool constrained, out int transferred, out WindowsFileInfo info)
    {
        transferred = 0;
        info = default;
        if (IsReadOnly)
        {
            return NtStatus.MediaWriteProtected;
        }
        if (file.Stream is not null)
        {
            return WriteStream(file, buffer, offset, toEnd, constrained, out transferred, out info);
        }
        Inode inode = file.Inode;
        if (!inode.IsRegular)
        {
            return NtStatus.InvalidDeviceRequest;
        }
        if (!toEnd && offset > long.MaxValue - (ulong)buffer.Length)
        {
            return constrained ? GetFileInfo(file, out info) : NtStatus.InvalidParameter;
        }
        NtStatus status = NtStatus.Success;
        if (!buffer.IsEmpty)
        {
            // Paging I/O that is asked to append (never seen) cannot mean anything but the end, which it may not move.
            WriteMode mode = constrained ? WriteMode.Constrained : toEnd ? WriteMode.Append : WriteMode.Normal;
            long at = toEnd ? constrained ? inode.Size : 0 : (long)offset;
            bool updateTimes = !constrained && !file.KeepsWriteTime;
            long oldSize = inode.Size;
            try
            {
                transferred = _volume.Write(inode, buffer, at, _writer, updateTimes, mode);
                if (transferred < buffer.Length && !constrained)
                {
                    status = FinishShortWrite(inode, buffer, at, oldSize, toEnd, updateTimes, ref transferred);
                }
            }
            catch (Ext4Exception e) when (e.Errno is Errno.ENOSPC or Errno.EFBIG)
            {
                status = NtStatus.DiskFull; // nothing was written
            }
        }
        FillInfo(file.Dentry, inode, null, out info, out _);
        return status;
    }

    // The volume became full in the middle. Windows has no short writes: all of it, or an error and the old size.
    private NtStatus FinishShortWrite(Inode inode, ReadOnlySpan<byte> buffer, long at, long oldSize, bool toEnd, bool updateTimes,
        ref int transferred)
    {
        try
        {
            while (transferred < buffer.Length)
            {
                int more = _volume.Write(inode, buffer[transferred..], toEnd ? 0 : at + transferred, _writer, updateTimes,
                    toEnd ? WriteMode.Append : WriteMode.Normal);
                transferred += more;
            }
            return NtStatus.Success;
        }
        catch (Ext4Exception e) when (e.Errno == Errno.ENOSPC)
        {
            long end = toEnd ? oldSize + transferred : at + transferred;
            if (end > oldSize && inode.Size == end)
            {
                _volume.SetAttributes(inode, new AttributeChanges { Size = oldSize }, _writer);
            }
            transferred = 0;
            return NtStatus.DiskFull;
        }
    }

    /// <summary>Makes a file, or with null the whole volume, durable.</summary>
    public NtStatus Flush(WindowsFile? file, out WindowsFileInfo info)
    {
        info = default;
        if (file is null)
        {
            _volume.Synchronize();
            return NtStatus.Success;
        }
        _volume.Synchronize(file.Inode, dataOnly: false);
        return GetFileInfo(file, out info);
    }

    /// <summary>Sets the size of the content, or of what is reserved for it.</summary>
    /// <remarks>What grows the size reserves the space: a cached write comes long after the program was told that all is
    /// well, and must find its blocks. Unwritten extents are that reservation, and read as zeroes.</remarks>
    public NtStatus SetFileSize(WindowsFile file, ulong size, bool isAllocationSize, out WindowsFileInfo info)
    {
        info = default;
        if (IsReadOnly)
        {
            return NtStatus.MediaWriteProtected;
        }
        if (file.Stream is not null)
        {
            return SetStreamSize(file, size, isAllocationSize, out info);
        }
        Inode inode = file.Inode;
        if (inode.IsDirectory)
        {
            return NtStatus.InvalidDeviceRequest;
        }
        if (!inode.IsRegular)
        {
            return NtStatus.InvalidParameter;
        }
        NtStatus status = isAllocationSize ? SetAllocation(inode, size) : SetEnd(inode, size, file.KeepsWriteTime);
        FillInfo(file.Dentry, inode, null, out info, out _);
        return status;
    }

    private NtStatus SetEnd(Inode inode, ulong size, bool keepsWriteTime)
    {
        long old = inode.Size;
        if (size == (ulong)old)
        {
            return NtStatus.Success;
        }
        if (size > long.MaxValue)
        {
            return NtStatus.InvalidParameter;
        }
        if (size < (ulong)old)
        {
            Truncate(inode, (long)size, keepsWriteTime);
            return NtStatus.Success;
        }
        Timestamp? kept = keepsWriteTime ? _volume.GetAttributes(inode).ModifyTime : null;
        try
        {
            _volume.Allocate(inode, AllocateMode.Default, old, (long)size - old, _writer);
        }
        catch (Ext4Exception e) when (e.Errno is Errno.ENOSPC or Errno.EFBIG)
        {
            // Most often nothing was taken, because the engine counts first; if it broke off, what it took goes back.
            if (inode.Size > old)
            {
                _volume.SetAttributes(inode, new AttributeChanges { Size = old, ModifyTime = kept }, _writer);
            }
            return NtStatus.DiskFull;
        }
        if (kept is { } time)
        {
            _volume.SetAttributes(inode, new AttributeChanges { ModifyTime = time }, _writer);
        }
        return NtStatus.Success;
    }

    private NtStatus SetAllocation(Inode inode, ulong size)
    {
        long old = inode.Size;
        if (size < (ulong)old)
        {
            Truncate(inode, (long)size, keepsWriteTime: false);
            return NtStatus.Success;
        }
        ulong allocated = _volume.GetAttributes(inode).Blocks * 512;
        ulong unit = (ulong)_volume.Geometry.BlockSize;
        if (size > allocated)
        {
            return Reserve(inode, size);
        }
        if ((size + unit - 1) / unit * unit < allocated)
        {
            Truncate(inode, old, keepsWriteTime: true);
            return Reserve(inode, size);
        }
        return NtStatus.Success;
    }

    /// <summary>Reserves blocks up to an offset, without changing the size.</summary>
    private NtStatus Reserve(Inode inode, ulong size)
    {
        if (size <= (ulong)inode.Size)
        {
            return NtStatus.Success;
        }
        if (size > long.MaxValue)
        {
            return NtStatus.DiskFull;
        }
        try
        {
            _volume.Allocate(inode, AllocateMode.KeepSize, inode.Size, (long)size - inode.Size, _writer);
            return NtStatus.Success;
        }
        catch (Ext4Exception e) when (e.Errno is Errno.ENOSPC or Errno.EFBIG)
        {
            return NtStatus.DiskFull;
        }
    }

    // Frees what lies behind the size too. A program's own choice of the time of the last write survives it.
    private void Truncate(Inode inode, long size, bool keepsWriteTime)
    {
        Timestamp? kept = keepsWriteTime ? _volume.GetAttributes(inode).ModifyTime : null;
        _volume.SetAttributes(inode, new AttributeChanges { Size = size, ModifyTime = kept }, _writer);
    }

    /// <summary>Truncates to nothing for FILE_OVERWRITE (attributes added) or FILE_SUPERSEDE (replaced).</summary>
    public NtStatus Overwrite(WindowsFile file, uint attributes, bool replaceAttributes, ulong allocationSize, ReadOnlySpan<byte> extra, out WindowsFileInfo info)
    {
        info = default;
        if (IsReadOnly)
        {
            return NtStatus.MediaWriteProtected;
        }
        if (file.Stream is not null)
        {
            return SetStreamSize(file, 0, isAllocationSize: false, out info);
        }
        Inode inode = file.Inode;
        if (!inode.IsRegular)
        {
            return inode.IsDirectory ? NtStatus.FileIsADirectory : NtStatus.AccessDenied;
        }
        NtStatus status = extra.IsEmpty ? NtStatus.Success : CheckEas(extra);
        if (status != NtStatus.Success)
        {
            return status;
        }
        Truncate(inode, 0, keepsWriteTime: false);
        // The file is another one now: streams and extended attributes of the old one go.
        RemoveForeignAttributes(inode);
        uint wanted = (attributes & ~DosAttributes.Normal) | DosAttributes.Archive;
        if (!replaceAttributes)
        {
            wanted |= AttributesOf(file.Dentry, inode, inode.Mode, StoredOf(inode));
        }
        ChangeDosAttributes(inode, wanted, createTime: 0);
        if (!extra.IsEmpty)
        {
            status = ApplyEas(file, extra);
        }
        if (status == NtStatus.Success && allocationSize != 0)
        {
            status = Reserve(inode, allocationSize);
        }
        FillInfo(file.Dentry, inode, null, out info, out _);
        return status;
    }
}
