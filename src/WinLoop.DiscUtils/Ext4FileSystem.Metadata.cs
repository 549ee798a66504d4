using DiscUtils;
using WinLoop.Ext4;
using WinLoop.Ext4.Format;
using WinLoop.Mounting.Windows;
using FileAttributes = System.IO.FileAttributes;

namespace WinLoop.DiscUtils;

// Lengths, attributes, times and what stat tells.
public sealed partial class Ext4FileSystem
{
    private const FileAttributes Settable = FileAttributes.ReadOnly | FileAttributes.Hidden | FileAttributes.System | FileAttributes.Archive |
        FileAttributes.Temporary | FileAttributes.Offline | FileAttributes.NotContentIndexed;

    // What a file is, not what it can be told to be.
    private const FileAttributes Types = FileAttributes.Directory | FileAttributes.Device | FileAttributes.Normal | FileAttributes.SparseFile |
        FileAttributes.ReparsePoint;

    private const int NoBirthTimeInodeSize = 128;

    private static readonly WindowsOptions s_windows = new();

    /// <summary>The length of a file, links followed.</summary>
    /// <exception cref="FileNotFoundException">It does not exist.</exception>
    /// <exception cref="UnauthorizedAccessException">It is a directory.</exception>
    /// <exception cref="IOException">It is a device, a FIFO or a socket.</exception>
    public override long GetFileLength(string path)
    {
        using Place place = Find(path, followLast: true);
        RequireFile(place.Inode!, path);
        return place.Inode!.Size;
    }

    /// <summary>As a mounted drive shows them: ReadOnly is a mode without write bits, links and special files have
    /// ReparsePoint, the rest is in <c>user.DOSATTRIB</c>.</summary>
    /// <exception cref="FileNotFoundException">It does not exist.</exception>
    public override FileAttributes GetAttributes(string path)
    {
        using Place place = Find(path, followLast: false);
        (uint? stored, _) = ReadStored(place.Inode!, path);
        return (FileAttributes)DosAttributes.FileAttributesOf(place.Inode!.Mode, stored, hasDotName: false, s_windows);
    }

    /// <summary>Sets ReadOnly, Hidden, System, Archive, Temporary, Offline and NotContentIndexed. Bits that say what the
    /// file is (Directory, ReparsePoint, ...) are not looked at.</summary>
    /// <exception cref="FileNotFoundException">It does not exist.</exception>
    /// <exception cref="NotSupportedException">Another attribute (Compressed, Encrypted, ...); or one of a link or special
    /// file, which cannot keep any.</exception>
    /// <exception cref="UnauthorizedAccessException">The volume is read-only, or the file is immutable.</exception>
    public override void SetAttributes(string path, FileAttributes newValue)
    {
        using Place place = Find(path, followLast: false);
        Inode inode = place.Inode!;
        if ((newValue & ~(Settable | Types)) is not 0 and var other)
        {
            throw new NotSupportedException($"'{path}': ext4 has no attribute for {other}.");
        }
        if (!inode.IsRegular && !inode.IsDirectory)
        {
            if ((newValue & Settable) != 0)
            {
                throw new NotSupportedException($"'{path}' is a link or a special file, which keeps no attributes.");
            }
            return;
        }
        RequireWritable(path);
        (_, ulong createTime) = ReadStored(inode, path);
        uint wanted = (uint)(newValue & Settable);
        Change(path, () =>
        {
            ushort mode = DosAttributes.ModeFor(wanted, inode.Mode, s_windows.Umask);
            if (mode != inode.Mode)
            {
                _volume.SetAttributes(inode, new AttributeChanges { Mode = (ushort)(mode & InodeMode.Permissions) }, _options.Caller);
            }
            Store(inode, DosAttributes.ToStored(wanted, inode.Mode), createTime);
        });
    }

    /// <summary>ext4's birth time. Volumes with inodes of 128 bytes have none: there it is what was set, or else the
    /// earlier of the last write and last change.</summary>
    /// <exception cref="FileNotFoundException">It does not exist.</exception>
    public override DateTime GetCreationTimeUtc(string path)
    {
        using Place place = Find(path, followLast: false);
        Ext4.FileAttributes facts = _volume.GetAttributes(place.Inode!);
        if (HasBirthTime)
        {
            return ToDateTime(facts.BirthTime);
        }
        (_, ulong createTime) = ReadStored(place.Inode!, path);
        return createTime != 0 ? ToDateTime(WindowsTime.ToTimestamp(createTime))
            : ToDateTime(facts.ModifyTime.Seconds < facts.ChangeTime.Seconds ? facts.ModifyTime : facts.ChangeTime);
    }

    /// <inheritdoc cref="SetLastWriteTimeUtc"/>
    public override void SetCreationTimeUtc(string path, DateTime newTime)
    {
        Timestamp time = ToTimestamp(newTime);
        if (HasBirthTime)
        {
            SetTimes(path, new AttributeChanges { BirthTime = time });
            return;
        }
        using Place place = Find(path, followLast: false);
        RequireWritable(path);
        Inode inode = place.Inode!;
        if (!inode.IsRegular && !inode.IsDirectory)
        {
            throw new NotSupportedException($"'{path}' is a link or a special file; on this volume it has no time of creation.");
        }
        (uint? stored, _) = ReadStored(inode, path);
        uint attributes = stored ?? DosAttributes.ToStored(inode.IsDirectory ? 0 : DosAttributes.Archive, inode.Mode);
        Change(path, () => Store(inode, attributes, WindowsTime.FromTimestamp(time)));
    }

    /// <inheritdoc/>
    public override DateTime GetLastAccessTimeUtc(string path) => GetTime(path, static facts => facts.AccessTime);

    /// <inheritdoc cref="SetLastWriteTimeUtc"/>
    public override void SetLastAccessTimeUtc(string path, DateTime newTime) =>
        SetTimes(path, new AttributeChanges { AccessTime = ToTimestamp(newTime), HasGivenTimes = true });

    /// <inheritdoc/>
    public override DateTime GetLastWriteTimeUtc(string path) => GetTime(path, static facts => facts.ModifyTime);

    /// <summary>Sets a time, exact to 100 ns (to a second on volumes with inodes of 128 bytes); of a link its own.</summary>
    /// <param name="path">A file or directory.</param>
    /// <param name="newTime">In UTC; a local time is converted.</param>
    /// <exception cref="ArgumentOutOfRangeException">The volume cannot hold it: before December 1901, or after 2446 (after
    /// January 2038 with inodes of 128 bytes).</exception>
    /// <exception cref="FileNotFoundException">It does not exist.</exception>
    /// <exception cref="UnauthorizedAccessException">The volume is read-only, or the file is immutable.</exception>
    public override void SetLastWriteTimeUtc(string path, DateTime newTime) =>
        SetTimes(path, new AttributeChanges { ModifyTime = ToTimestamp(newTime), HasGivenTimes = true });

    /// <summary>What stat tells of a file, directory or link. The device number is Linux's own 32-bit form
    /// (minor bits 0-7 and 20-31, major bits 8-19); ids beyond 2^31 come out negative.</summary>
    /// <exception cref="FileNotFoundException">It does not exist.</exception>
    public UnixFileSystemInfo GetUnixFileInfo(string path)
    {
        using Place place = Find(path, followLast: false);
        Ext4.FileAttributes facts = _volume.GetAttributes(place.Inode!);
        return new UnixFileSystemInfo
        {
            FileType = (UnixFileType)(facts.Mode >> 12),
            Permissions = (UnixFilePermissions)(facts.Mode & InodeMode.Permissions),
            UserId = unchecked((int)facts.Uid),
            GroupId = unchecked((int)facts.Gid),
            LinkCount = (int)Math.Min(facts.Links, int.MaxValue),
            Inode = facts.Inode,
            DeviceId = facts.Device,
        };
    }

    private bool HasBirthTime => _volume.Geometry.InodeSize > NoBirthTimeInodeSize;

    private DateTime GetTime(string path, Func<Ext4.FileAttributes, Timestamp> select)
    {
        using Place place = Find(path, followLast: false);
        return ToDateTime(select(_volume.GetAttributes(place.Inode!)));
    }

    private void SetTimes(string path, AttributeChanges changes)
    {
        using Place place = Find(path, followLast: false);
        RequireWritable(path);
        Inode inode = place.Inode!;
        Change(path, () => _volume.SetAttributes(inode, changes, _options.Caller));
    }

    // What user.DOSATTRIB says; null if there is none, or none that can be read.
    private (uint? Attributes, ulong CreateTime) ReadStored(Inode inode, string path)
    {
        Span<byte> value = stackalloc byte[256];
        try
        {
            if (!_volume.HasExtendedAttributes(inode))
            {
                return (null, 0);
            }
            int length = _volume.GetExtendedAttribute(inode, DosAttributes.AttributeName, value);
            return length >= 0 && DosAttributes.TryRead(value[..length], out uint attributes, out ulong createTime) ? (attributes, createTime) : (null, 0);
        }
        catch (Ext4Exception e) when (e.Errno == Errno.ERANGE)
        {
            return (null, 0); // Longer than any form that is known.
        }
        catch (Ext4Exception e)
        {
            throw FailureMap.Explain(e, path, ReadOnlyReason);
        }
    }

    private void Store(Inode inode, uint attributes, ulong createTime)
    {
        if (!DosAttributes.IsDefault(attributes, inode.Mode) || createTime != 0)
        {
            Span<byte> value = stackalloc byte[DosAttributes.WrittenLength];
            DosAttributes.Write(value, attributes, createTime);
            _volume.SetExtendedAttribute(inode, DosAttributes.AttributeName, value, AttributeSetMode.CreateOrReplace);
            return;
        }
        try
        {
            if (_volume.HasExtendedAttributes(inode))
            {
                _volume.RemoveExtendedAttribute(inode, DosAttributes.AttributeName);
            }
        }
        catch (Ext4Exception e) when (e.Errno == Errno.ENODATA)
        {
            // There is none: as it should be.
        }
    }

    private static DateTime ToDateTime(Timestamp time) =>
        DateTime.UnixEpoch.AddTicks((time.Seconds * TimeSpan.TicksPerSecond) + (time.Nanoseconds / 100));

    private Timestamp ToTimestamp(DateTime time)
    {
        long ticks = (time.Kind == DateTimeKind.Local ? time.ToUniversalTime() : time).Ticks - DateTime.UnixEpoch.Ticks;
        long seconds = Math.DivRem(ticks, TimeSpan.TicksPerSecond, out long rest);
        if (rest < 0)
        {
            seconds--;
            rest += TimeSpan.TicksPerSecond;
        }
        if (seconds < int.MinValue || seconds > (HasBirthTime ? Timestamp.MaxSeconds : int.MaxValue))
        {
            throw new ArgumentOutOfRangeException(nameof(time), time, "The volume cannot hold this time.");
        }
        return new Timestamp(seconds, (uint)rest * 100);
    }
}
