using System.Buffers;
using WinLoop.Ext4;
using WinLoop.Ext4.Format;

namespace WinLoop.Mounting.Windows;

// Extended attributes of Windows: user.* attributes, and WSL's, which are the inode itself.
public sealed partial class WindowsFileSystem
{
    /// <summary>FILE_FULL_EA_INFORMATION list of all extended attributes.</summary>
    /// <returns><see cref="NtStatus.BufferOverflow"/>: the buffer is too small.</returns>
    public NtStatus GetEa(WindowsFile file, Span<byte> buffer, out int length)
    {
        Inode inode = file.Inode;
        var list = new EaListWriter(buffer);
        byte[]? names = RentAttributeNames(inode, out int left);
        byte[] value = ArrayPool<byte>.Shared.Rent(MaximumAttribute);
        try
        {
            for (int at = 0; at < left;)
            {
                ReadOnlySpan<byte> attribute = NextName(names, ref at, left);
                ReadOnlySpan<byte> name = EaName.FromAttribute(attribute);
                int size = name.IsEmpty ? -1 : _volume.GetExtendedAttribute(inode, attribute, value);
                if (size >= 0)
                {
                    list.TryAdd(name, value.AsSpan(0, size));
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(value);
            Return(names);
        }
        Ext4.FileAttributes stat = _volume.GetAttributes(inode);
        WslMetadata.TryAddTo(ref list, stat.Uid, stat.Gid, stat.Mode, stat.Device);
        length = list.IsOverflown ? 0 : list.Length;
        return list.IsOverflown ? NtStatus.BufferOverflow : NtStatus.Success;
    }

    /// <summary>Sets the extended attributes of a FILE_FULL_EA_INFORMATION list; an empty value deletes.</summary>
    public NtStatus SetEa(WindowsFile file, ReadOnlySpan<byte> list, out WindowsFileInfo info)
    {
        info = default;
        if (IsReadOnly)
        {
            return NtStatus.MediaWriteProtected;
        }
        NtStatus status = CheckEas(list);
        if (status == NtStatus.Success)
        {
            status = ApplyEas(file, list);
        }
        return status == NtStatus.Success ? GetFileInfo(file, out info) : status;
    }

    // Everything that can be known to be wrong before the first one is set.
    private static NtStatus CheckEas(ReadOnlySpan<byte> list)
    {
        NtStatus status = EaList.Check(list, out _);
        if (status != NtStatus.Success)
        {
            return status;
        }
        var wsl = new WslMetadata();
        Span<byte> attribute = stackalloc byte[byte.MaxValue + 1];
        EaEnumerator entries = EaList.Entries(list);
        while (entries.MoveNext())
        {
            if (WslMetadata.IsName(entries.Name))
            {
                status = wsl.Set(entries.Name, entries.Value);
            }
            else if (EaName.ToAttribute(entries.Name, attribute) < 0)
            {
                status = NtStatus.InvalidEaName;
            }
            if (status != NtStatus.Success)
            {
                return status;
            }
        }
        return NtStatus.Success;
    }

    // A list that CheckEas has seen.
    private NtStatus ApplyEas(WindowsFile file, ReadOnlySpan<byte> list)
    {
        var wsl = new WslMetadata();
        EaEnumerator entries = EaList.Entries(list);
        while (entries.MoveNext())
        {
            NtStatus status = WslMetadata.IsName(entries.Name)
                ? wsl.Set(entries.Name, entries.Value)
                : SetEa(file.Inode, entries.Name, entries.Value);
            if (status != NtStatus.Success)
            {
                return status;
            }
        }
        return wsl.IsAny ? ApplyWsl(file, wsl) : NtStatus.Success;
    }

    private NtStatus SetEa(Inode inode, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        if (!inode.IsRegular && !inode.IsDirectory)
        {
            return NtStatus.EasNotSupported; // Linux allows user attributes on files and directories only
        }
        Span<byte> attribute = stackalloc byte[byte.MaxValue + 1];
        int length = FindEa(inode, name, attribute);
        bool exists = length > 0;
        if (!exists)
        {
            length = EaName.ToAttribute(name, attribute);
        }
        try
        {
            if (!value.IsEmpty)
            {
                _volume.SetExtendedAttribute(inode, attribute[..length], value, AttributeSetMode.CreateOrReplace);
            }
            else if (exists)
            {
                _volume.RemoveExtendedAttribute(inode, attribute[..length]);
            }
            return NtStatus.Success;
        }
        catch (Ext4Exception e) when (e.Errno is Errno.ENOSPC or Errno.ENODATA)
        {
            return e.Errno == Errno.ENODATA ? NtStatus.Success : NtStatus.EaTooLarge;
        }
        finally
        {
            inode.GetTag<InodeState>().Invalidate();
        }
    }

    // The attribute that a name means in any case; 0 if there is none.
    private int FindEa(Inode inode, ReadOnlySpan<byte> name, Span<byte> attribute)
    {
        byte[]? names = RentAttributeNames(inode, out int left);
        try
        {
            for (int at = 0; at < left;)
            {
                ReadOnlySpan<byte> candidate = NextName(names, ref at, left);
                ReadOnlySpan<byte> found = EaName.FromAttribute(candidate);
                if (!found.IsEmpty && EaName.Matches(found, name))
                {
                    candidate.CopyTo(attribute);
                    return candidate.Length;
                }
            }
            return 0;
        }
        finally
        {
            Return(names);
        }
    }

    private NtStatus ApplyWsl(WindowsFile file, in WslMetadata wsl)
    {
        Inode inode = file.Inode;
        if (wsl.Mode is { } mode && (mode & InodeMode.TypeMask) is not 0 and int type && type != inode.Type)
        {
            return NtStatus.InvalidParameter; // the type is the reparse point's to say
        }
        bool isDevice = inode.Type is InodeMode.CharDevice or InodeMode.BlockDevice;
        if (wsl.Device is { } device && isDevice && device != _volume.GetAttributes(inode).Device)
        {
            NtStatus status = ReplaceNode(file, inode.Type, device, default);
            if (status != NtStatus.Success)
            {
                return status;
            }
        }
        if (wsl.Uid is not null || wsl.Gid is not null || (wsl.Mode is not null && !file.Inode.IsSymlink))
        {
            _volume.SetAttributes(file.Inode, new AttributeChanges
            {
                Uid = wsl.Uid,
                Gid = wsl.Gid,
                Mode = wsl.Mode is { } bits && !file.Inode.IsSymlink ? (ushort)(bits & InodeMode.Permissions) : null,
            }, _writer);
        }
        return NtStatus.Success;
    }

    // What NTFS would count for the EAs; WSL's, which every file has, are left out, so that copying programs do not ask
    // for those of every file.
    private uint MeasureEas(Inode inode)
    {
        uint total = 0;
        byte[]? names = RentAttributeNames(inode, out int left);
        try
        {
            for (int at = 0; at < left;)
            {
                ReadOnlySpan<byte> attribute = NextName(names, ref at, left);
                ReadOnlySpan<byte> name = EaName.FromAttribute(attribute);
                int size = name.IsEmpty ? -1 : _volume.GetExtendedAttribute(inode, attribute, default);
                total += size < 0 ? 0 : EaList.PackedSize(name.Length, size);
            }
        }
        finally
        {
            Return(names);
        }
        return inode.IsRegular || inode.IsDirectory ? total : 0; // of a reparse point the field carries the tag
    }

    // Streams and EAs of a file that is overwritten.
    private void RemoveForeignAttributes(Inode inode)
    {
        byte[]? names = RentAttributeNames(inode, out int left);
        try
        {
            for (int at = 0; at < left;)
            {
                ReadOnlySpan<byte> attribute = NextName(names, ref at, left);
                if (StreamName.IsStream(attribute) || !EaName.FromAttribute(attribute).IsEmpty)
                {
                    _volume.RemoveExtendedAttribute(inode, attribute);
                }
            }
        }
        finally
        {
            if (left > 0)
            {
                inode.GetTag<InodeState>().Invalidate();
            }
            Return(names);
        }
    }

    // The full names of all attributes, each with a NUL; null if there are none.
    private byte[]? RentAttributeNames(Inode inode, out int length)
    {
        length = 0;
        if (!_volume.HasExtendedAttributes(inode))
        {
            return null;
        }
        // Names come and go meanwhile, but all of them never fill this.
        byte[] buffer = ArrayPool<byte>.Shared.Rent(2 * MaximumAttribute);
        length = _volume.ListExtendedAttributes(inode, buffer);
        return buffer;
    }

    private static ReadOnlySpan<byte> NextName(byte[]? names, ref int at, int end)
    {
        ReadOnlySpan<byte> rest = names.AsSpan(at, end - at);
        int length = rest.IndexOf((byte)0);
        length = length < 0 ? rest.Length : length;
        at += length + 1;
        return rest[..length];
    }

    private static void Return(byte[]? names)
    {
        if (names is not null)
        {
            ArrayPool<byte>.Shared.Return(names);
        }
    }
}
