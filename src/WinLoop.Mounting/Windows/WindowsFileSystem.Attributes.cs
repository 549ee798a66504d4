using WinLoop.Ext4;
using WinLoop.Ext4.Format;
using WinLoop.Mounting.Windows.Names;

namespace WinLoop.Mounting.Windows;

// FILE_ATTRIBUTE_*, times and sizes.
public sealed partial class WindowsFileSystem
{
    /// <summary>Attributes of an open file.</summary>
    public NtStatus GetFileInfo(WindowsFile file, out WindowsFileInfo info)
    {
        FillInfo(file.Dentry, file.Inode, file.Stream, out info, out _);
        return NtStatus.Success;
    }

    /// <summary>Sets attributes (INVALID_FILE_ATTRIBUTES = keep) and times (0 = keep).</summary>
    public NtStatus SetBasicInfo(WindowsFile file, uint attributes, ulong creationTime, ulong lastAccessTime, ulong lastWriteTime, ulong changeTime, out WindowsFileInfo info)
    {
        info = default;
        if (IsReadOnly)
        {
            return NtStatus.MediaWriteProtected;
        }
        Inode inode = file.Inode;
        if (attributes != DosAttributes.Keep)
        {
            ChangeDosAttributes(inode, attributes, createTime: 0);
        }
        if (IsTime(creationTime) && _volume.Geometry.InodeSize <= 128)
        {
            // Small inodes have no birth time: Samba's place for it.
            uint current = AttributesOf(file.Dentry, inode, inode.Mode, StoredOf(inode));
            ChangeDosAttributes(inode, current, creationTime);
        }
        var changes = new AttributeChanges
        {
            BirthTime = TimeOrKeep(creationTime),
            AccessTime = TimeOrKeep(lastAccessTime),
            ModifyTime = TimeOrKeep(lastWriteTime),
            ChangeTime = TimeOrKeep(changeTime),
            HasGivenTimes = true,
        };
        if (changes.BirthTime is not null || changes.AccessTime is not null || changes.ModifyTime is not null || changes.ChangeTime is not null)
        {
            _volume.SetAttributes(inode, changes, _writer);
            file.KeepsWriteTime |= changes.ModifyTime is not null;
        }
        return GetFileInfo(file, out info);
    }

    private void ApplyCleanup(WindowsFile file, CleanupFlags flags)
    {
        Inode inode = file.Inode;
        if ((flags & CleanupFlags.SetAllocationSize) != 0 && inode.IsRegular && file.Stream is null)
        {
            ulong unit = (ulong)_volume.Geometry.BlockSize;
            if (_volume.GetAttributes(inode).Blocks * 512 > ((ulong)inode.Size + unit - 1) / unit * unit)
            {
                Truncate(inode, inode.Size, keepsWriteTime: true);
            }
        }
        if ((flags & CleanupFlags.SetArchiveBit) != 0 && inode.IsRegular && StoredOf(inode).Dos is { } dos && (dos & DosAttributes.Archive) == 0)
        {
            ChangeDosAttributes(inode, AttributesOf(file.Dentry, inode, inode.Mode, StoredOf(inode)) | DosAttributes.Archive, createTime: 0);
        }
        const CleanupFlags Times = CleanupFlags.SetLastAccessTime | CleanupFlags.SetLastWriteTime | CleanupFlags.SetChangeTime;
        if ((flags & Times) != 0)
        {
            Timestamp now = Timestamp.Now;
            _volume.SetAttributes(inode, new AttributeChanges
            {
                AccessTime = (flags & CleanupFlags.SetLastAccessTime) != 0 ? now : null,
                ModifyTime = (flags & CleanupFlags.SetLastWriteTime) != 0 ? now : null,
                ChangeTime = now,
            }, _writer);
        }
    }

    // 0 keeps; so do -1 and -2, which turn the automatic times of a handle off and on and are the driver's.
    private static bool IsTime(ulong time) => time is not 0 and < ulong.MaxValue - 1;

    private static Timestamp? TimeOrKeep(ulong time) => IsTime(time) ? WindowsTime.ToTimestamp(time) : null;

    /// <summary>What Windows sees of a dentry's inode, or of one of its streams.</summary>
    private void FillInfo(Dentry dentry, Inode inode, string? stream, out WindowsFileInfo info, out uint links)
    {
        DentryPlace place = dentry.Place;
        FillInfo(place.Parent, place.Name, inode, out info, out links);
        if (stream is not null)
        {
            info.FileAttributes &= ~DosAttributes.Directory;
            info.FileAttributes = info.FileAttributes == 0 ? DosAttributes.Normal : info.FileAttributes;
            info.FileSize = (ulong)Math.Max(0, StreamSize(inode, stream));
            info.AllocationSize = info.FileSize;
        }
    }

    private void FillInfo(Dentry? directory, ReadOnlySpan<char> name, Inode inode, out WindowsFileInfo info, out uint links)
    {
        Ext4.FileAttributes stat = _volume.GetAttributes(inode);
        StoredAttributes stored = StoredOf(inode);
        links = stat.Links;
        bool isRegular = inode.IsRegular;
        Timestamp born = stat.BirthTime;
        info = new WindowsFileInfo
        {
            FileAttributes = AttributesOf(directory, name, inode, stat.Mode, stored),
            ReparseTag = ReparseTagOf(stat.Mode),
            FileSize = isRegular ? (ulong)stat.Size : 0,
            AllocationSize = isRegular ? stat.Blocks * 512 : 0,
            CreationTime = _volume.Geometry.InodeSize > 128 ? WindowsTime.FromTimestamp(born)
                : stored.CreateTime != 0 ? stored.CreateTime : WindowsTime.FromTimestamp(Earlier(stat.ModifyTime, stat.ChangeTime)),
            LastAccessTime = WindowsTime.FromTimestamp(stat.AccessTime),
            LastWriteTime = WindowsTime.FromTimestamp(stat.ModifyTime),
            ChangeTime = WindowsTime.FromTimestamp(stat.ChangeTime),
            IndexNumber = stat.Inode,
            EaSize = stored.EaSize,
        };
    }

    private static Timestamp Earlier(Timestamp a, Timestamp b) =>
        a.Seconds < b.Seconds || (a.Seconds == b.Seconds && a.Nanoseconds < b.Nanoseconds) ? a : b;

    private uint AttributesOf(Dentry dentry, Inode inode, ushort mode, StoredAttributes stored)
    {
        DentryPlace place = dentry.Place;
        return AttributesOf(place.Parent, place.Name, inode, mode, stored);
    }

    private uint AttributesOf(Dentry? directory, ReadOnlySpan<char> name, Inode inode, ushort mode, StoredAttributes stored)
    {
        bool hasDot = name.Length > 1 && name[0] == '.' && name is not "..";
        bool leads = directory is not null && (mode & InodeMode.TypeMask) == InodeMode.Symlink && LeadsToDirectory(directory, inode);
        uint attributes = DosAttributes.FileAttributesOf(mode, stored.Dos, hasDot, _options, leads);
        // Nobody may write or delete an immutable file. The driver does not ask us before it deletes a file, but it looks
        // for this attribute.
        return inode.IsRegular && (inode.Flags & InodeFlags.Immutable) != 0
            ? (attributes & ~DosAttributes.Normal) | DosAttributes.ReadOnly
            : attributes;
    }

    /// <summary>What the extended attributes say; read once for an inode in memory.</summary>
    private StoredAttributes StoredOf(Inode inode)
    {
        if (!_volume.HasExtendedAttributes(inode))
        {
            return StoredAttributes.None;
        }
        InodeState state = inode.GetTag<InodeState>();
        return state.Attributes ?? LoadStored(inode, state);
    }

    private StoredAttributes LoadStored(Inode inode, InodeState state)
    {
        int version = state.Version;
        uint? dos = null;
        ulong createTime = 0;
        Span<byte> value = stackalloc byte[256];
        int length = GetSmallAttribute(inode, DosAttributes.AttributeName, value);
        if (length >= 0 && DosAttributes.TryRead(value[..length], out uint bits, out createTime))
        {
            dos = bits;
        }
        var stored = new StoredAttributes(dos, createTime, MeasureEas(inode));
        state.Publish(stored, version);
        return stored;
    }

    // -1: there is none, or it is too long to be what is looked for.
    private int GetSmallAttribute(Inode inode, ReadOnlySpan<byte> name, Span<byte> value)
    {
        int length = _volume.GetExtendedAttribute(inode, name, default);
        return length < 0 || length > value.Length ? -1 : length == 0 ? 0 : _volume.GetExtendedAttribute(inode, name, value);
    }

    /// <summary>Puts FILE_ATTRIBUTE_* into mode and user.DOSATTRIB. Links and special files have no place for them
    /// (Linux allows no user attributes there): they are accepted and forgotten.</summary>
    private void ChangeDosAttributes(Inode inode, uint attributes, ulong createTime)
    {
        if (!inode.IsRegular && !inode.IsDirectory)
        {
            return;
        }
        ushort mode = inode.Mode;
        StoredAttributes stored = StoredOf(inode);
        createTime = createTime != 0 ? createTime : stored.CreateTime;
        uint wanted = DosAttributes.ToStored(attributes, mode);
        bool isDefault = DosAttributes.IsDefault(wanted, mode) && createTime == 0;
        InodeState? state = null;
        try
        {
            if (isDefault && stored.Dos is not null)
            {
                state = inode.GetTag<InodeState>();
                _volume.RemoveExtendedAttribute(inode, DosAttributes.AttributeName);
            }
            else if (!isDefault && (stored.Dos is not { } old || DosAttributes.ToStored(old, mode) != wanted || stored.CreateTime != createTime))
            {
                state = inode.GetTag<InodeState>();
                Span<byte> value = stackalloc byte[DosAttributes.WrittenLength];
                int length = DosAttributes.Write(value, wanted, createTime);
                _volume.SetExtendedAttribute(inode, DosAttributes.AttributeName, value[..length], AttributeSetMode.CreateOrReplace);
            }
        }
        finally
        {
            state?.Invalidate();
        }
        ushort newMode = DosAttributes.ModeFor(attributes, mode, _options.Umask);
        if (newMode != mode)
        {
            _volume.SetAttributes(inode, new AttributeChanges { Mode = (ushort)(newMode & InodeMode.Permissions) }, _writer);
        }
    }
}
