using System.Buffers;
using WinLoop.Ext4;
using WinLoop.Mounting.Windows.Names;

namespace WinLoop.Mounting.Windows;

// Alternate streams: extended attributes user.DosStream.*, rewritten as a whole by every change. Their size is bounded
// by what an inode and one block hold; beyond it the disk is full.
public sealed partial class WindowsFileSystem
{
    private const int MaximumAttribute = 65536;
    private const uint OrdinaryFileOptions = ~(DirectoryFile | DeleteOnClose);

    /// <summary>The streams of a file.</summary>
    public NtStatus GetStreamInfo(WindowsFile file, WindowsStreamSink sink)
    {
        Inode inode = file.Inode;
        bool hasRoom = true;
        if (inode.IsRegular)
        {
            Ext4.FileAttributes stat = _volume.GetAttributes(inode);
            hasRoom = sink(default, (ulong)stat.Size, stat.Blocks * 512);
        }
        Span<char> name = stackalloc char[WindowsName.MaxLength];
        byte[]? names = RentAttributeNames(inode, out int left);
        try
        {
            for (int at = 0; at < left && hasRoom;)
            {
                ReadOnlySpan<byte> attribute = NextName(names, ref at, left);
                int length = StreamName.FromAttribute(attribute, name);
                int size = length < 0 ? -1 : _volume.GetExtendedAttribute(inode, attribute, default);
                if (size >= 0)
                {
                    ulong content = (ulong)Math.Max(0, size - 1);
                    hasRoom = sink(name[..length], content, content);
                }
            }
        }
        finally
        {
            Return(names);
        }
        return hasRoom ? NtStatus.Success : NtStatus.BufferOverflow;
    }

    // The stream that a spelling means, with its own spelling.
    private bool TryFindStream(Inode inode, ReadOnlySpan<char> spelling, out string? name, out long size)
    {
        name = null;
        size = -1;
        if (!_volume.HasExtendedAttributes(inode))
        {
            return false;
        }
        Span<byte> attribute = stackalloc byte[StreamName.MaxAttributeName];
        int length = StreamName.ToAttribute(spelling, attribute);
        int value = length < 0 ? -1 : _volume.GetExtendedAttribute(inode, attribute[..length], default);
        if (value >= 0)
        {
            name = spelling.ToString();
            size = Math.Max(0, value - 1);
            return true;
        }
        if (_options.CaseSensitive)
        {
            return false;
        }
        string? found = null;
        Span<char> decoded = stackalloc char[WindowsName.MaxLength];
        byte[]? names = RentAttributeNames(inode, out int left);
        try
        {
            for (int at = 0; at < left;)
            {
                int units = StreamName.FromAttribute(NextName(names, ref at, left), decoded);
                if (units >= 0 && NameCase.FoldedEquals(decoded[..units], spelling))
                {
                    string twin = decoded[..units].ToString();
                    found = found is null || NameComparer.CompareBytes(twin, found) < 0 ? twin : found;
                }
            }
        }
        finally
        {
            Return(names);
        }
        name = found;
        size = found is null ? -1 : StreamSize(inode, found);
        return size >= 0;
    }

    // -1: there is no such stream.
    private long StreamSize(Inode inode, string stream)
    {
        Span<byte> attribute = stackalloc byte[StreamName.MaxAttributeName];
        int length = StreamName.ToAttribute(stream, attribute);
        int value = length < 0 ? -1 : _volume.GetExtendedAttribute(inode, attribute[..length], default);
        return value < 0 ? -1 : Math.Max(0, value - 1);
    }

    private NtStatus CreateStream(scoped in WindowsPath path, in CreateParameters parameters, out WindowsFile? file, out WindowsFileInfo info)
    {
        file = null;
        info = default;
        if ((parameters.CreateOptions & DirectoryFile) != 0)
        {
            return NtStatus.NotADirectory;
        }
        Span<byte> attribute = stackalloc byte[StreamName.MaxAttributeName];
        int length = StreamName.ToAttribute(path.Stream, attribute);
        if (length < 0)
        {
            return NtStatus.ObjectNameInvalid;
        }
        NtStatus status = Walk(path.File, out Dentry? dentry, out _);
        if (status == NtStatus.ObjectNameNotFound)
        {
            // The stream of a file that is not there makes the file.
            status = CreateDentry(path, new CreateParameters { CreateOptions = parameters.CreateOptions & OrdinaryFileOptions, SecurityDescriptor = parameters.SecurityDescriptor }, out dentry);
            if (status == NtStatus.ObjectNameCollision)
            {
                status = Walk(path.File, out dentry, out _);
            }
        }
        if (status != NtStatus.Success)
        {
            return status;
        }
        bool isKept = false;
        try
        {
            Inode inode = dentry!.Inode;
            if (!inode.IsRegular && !inode.IsDirectory)
            {
                return NtStatus.AccessDenied; // Linux allows user attributes on files and directories only
            }
            InodeState state = inode.GetTag<InodeState>();
            lock (state)
            {
                if (TryFindStream(inode, path.Stream, out _, out _))
                {
                    return NtStatus.ObjectNameCollision;
                }
                status = StoreStream(inode, attribute[..length], [0], AttributeSetMode.Create);
            }
            if (status == NtStatus.Success)
            {
                string name = path.Stream.ToString();
                file = TryRegister(dentry, inode, name, 1, parameters.CreateOptions);
                if (file is null)
                {
                    return NtStatus.SharingViolation;
                }
                isKept = true;
                FillInfo(dentry, inode, name, out info, out _);
            }
            return status;
        }
        finally
        {
            if (!isKept)
            {
                _names.Unpin(dentry);
            }
        }
    }

    private NtStatus ReadStream(WindowsFile file, Span<byte> buffer, ulong offset, out int transferred)
    {
        transferred = 0;
        byte[] value = ArrayPool<byte>.Shared.Rent(MaximumAttribute);
        try
        {
            NtStatus status = LoadStream(file, value, out int size);
            if (status != NtStatus.Success || offset >= (ulong)size)
            {
                return status != NtStatus.Success ? status : NtStatus.EndOfFile;
            }
            transferred = Math.Min(buffer.Length, size - (int)offset);
            value.AsSpan((int)offset, transferred).CopyTo(buffer);
            return NtStatus.Success;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(value);
        }
    }

    private NtStatus WriteStream(WindowsFile file, ReadOnlySpan<byte> buffer, ulong offset, bool toEnd, bool constrained,
        out int transferred, out WindowsFileInfo info)
    {
        transferred = 0;
        info = default;
        byte[] value = ArrayPool<byte>.Shared.Rent(MaximumAttribute);
        try
        {
            lock (file.Inode.GetTag<InodeState>())
            {
                NtStatus status = LoadStream(file, value, out int size);
                if (status != NtStatus.Success)
                {
                    return status;
                }
                ulong at = toEnd ? (ulong)size : offset;
                if (constrained)
                {
                    buffer = at >= (ulong)size ? default : buffer[..(int)Math.Min((ulong)buffer.Length, (ulong)size - at)];
                }
                if (!buffer.IsEmpty)
                {
                    if (at >= MaximumAttribute || (int)at + buffer.Length >= MaximumAttribute)
                    {
                        return NtStatus.DiskFull;
                    }
                    int end = (int)at + buffer.Length;
                    if (end > size)
                    {
                        value.AsSpan(size, end + 1 - size).Clear();
                    }
                    buffer.CopyTo(value.AsSpan((int)at));
                    status = StoreStream(file, value.AsSpan(0, Math.Max(end, size) + 1));
                    if (status != NtStatus.Success)
                    {
                        return status;
                    }
                    transferred = buffer.Length;
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(value);
        }
        return GetFileInfo(file, out info);
    }

    private NtStatus SetStreamSize(WindowsFile file, ulong newSize, bool isAllocationSize, out WindowsFileInfo info)
    {
        info = default;
        byte[] value = ArrayPool<byte>.Shared.Rent(MaximumAttribute);
        try
        {
            lock (file.Inode.GetTag<InodeState>())
            {
                NtStatus status = LoadStream(file, value, out int size);
                if (status == NtStatus.Success && newSize != (ulong)size && !(isAllocationSize && newSize > (ulong)size))
                {
                    if (newSize >= MaximumAttribute)
                    {
                        return NtStatus.DiskFull;
                    }
                    int end = (int)newSize;
                    value.AsSpan(Math.Min(size, end), Math.Max(0, end - size) + 1).Clear();
                    status = StoreStream(file, value.AsSpan(0, end + 1));
                }
                if (status != NtStatus.Success)
                {
                    return status;
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(value);
        }
        return GetFileInfo(file, out info);
    }

    private NtStatus RenameStream(WindowsFile file, ReadOnlySpan<char> newName, bool replace)
    {
        Span<byte> attribute = stackalloc byte[StreamName.MaxAttributeName];
        int length = StreamName.ToAttribute(newName, attribute);
        if (length < 0)
        {
            return NtStatus.ObjectNameInvalid;
        }
        byte[] value = ArrayPool<byte>.Shared.Rent(MaximumAttribute);
        try
        {
            lock (file.Inode.GetTag<InodeState>())
            {
                NtStatus status = LoadStream(file, value, out int size);
                string old = file.Stream!;
                if (status != NtStatus.Success || newName.SequenceEqual(old))
                {
                    return status;
                }
                if (TryFindStream(file.Inode, newName, out string? target, out _) && target != old)
                {
                    if (!replace)
                    {
                        return NtStatus.ObjectNameCollision;
                    }
                    DeleteStream(file.Inode, target!);
                }
                status = StoreStream(file.Inode, attribute[..length], value.AsSpan(0, size + 1), AttributeSetMode.CreateOrReplace);
                DeleteStream(file.Inode, old);
                if (status == NtStatus.DiskFull)
                {
                    // Both together did not fit; if the new name alone does not either, the old one comes back.
                    status = StoreStream(file.Inode, attribute[..length], value.AsSpan(0, size + 1), AttributeSetMode.CreateOrReplace);
                    if (status != NtStatus.Success)
                    {
                        StoreStream(file, value.AsSpan(0, size + 1), AttributeSetMode.CreateOrReplace);
                    }
                }
                if (status != NtStatus.Success)
                {
                    return status;
                }
                file.Stream = newName.ToString();
                return NtStatus.Success;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(value);
        }
    }

    // The whole content; the zero byte behind it belongs to the layout.
    private NtStatus LoadStream(WindowsFile file, Span<byte> buffer, out int size)
    {
        size = 0;
        Span<byte> attribute = stackalloc byte[StreamName.MaxAttributeName];
        int length = StreamName.ToAttribute(file.Stream, attribute);
        int value = length < 0 ? -1 : _volume.GetExtendedAttribute(file.Inode, attribute[..length], buffer);
        if (value < 0)
        {
            return NtStatus.FileDeleted;
        }
        if (!StreamName.TryContent(buffer[..value], out ReadOnlySpan<byte> content))
        {
            return NtStatus.NotSupported; // continued in other attributes by a newer Samba
        }
        size = content.Length;
        return NtStatus.Success;
    }

    private NtStatus StoreStream(WindowsFile file, ReadOnlySpan<byte> value, AttributeSetMode mode = AttributeSetMode.Replace)
    {
        Span<byte> attribute = stackalloc byte[StreamName.MaxAttributeName];
        int length = StreamName.ToAttribute(file.Stream, attribute);
        return StoreStream(file.Inode, attribute[..length], value, mode);
    }

    private NtStatus StoreStream(Inode inode, ReadOnlySpan<byte> attribute, ReadOnlySpan<byte> value, AttributeSetMode mode)
    {
        try
        {
            _volume.SetExtendedAttribute(inode, attribute, value, mode);
            return NtStatus.Success;
        }
        catch (Ext4Exception e) when (e.Errno is Errno.ENOSPC or Errno.ENODATA or Errno.EEXIST)
        {
            return e.Errno == Errno.ENOSPC ? NtStatus.DiskFull : e.Errno == Errno.EEXIST ? NtStatus.ObjectNameCollision : NtStatus.FileDeleted;
        }
        finally
        {
            inode.GetTag<InodeState>().Invalidate();
        }
    }

    private void DeleteStream(Inode inode, string stream)
    {
        Span<byte> attribute = stackalloc byte[StreamName.MaxAttributeName];
        int length = StreamName.ToAttribute(stream, attribute);
        try
        {
            _volume.RemoveExtendedAttribute(inode, attribute[..length]);
        }
        catch (Ext4Exception e) when (e.Errno == Errno.ENODATA)
        {
            // Gone already.
        }
        finally
        {
            inode.GetTag<InodeState>().Invalidate();
        }
    }
}
