namespace WinLoop.Mounting.Windows;

/// <summary>Whose the files of the volume are, as Windows sees it.</summary>
public enum AclMode
{
    /// <summary>Everything belongs to the user who mounts; other users get nothing.</summary>
    Owner,
    /// <summary>uid, gid and mode decide, mapped to SIDs as WinFsp and Cygwin do.</summary>
    Posix,
    /// <summary>Everybody may do everything.</summary>
    Everyone,
}

/// <summary>What ext4 means on Windows, for one mount.</summary>
public sealed record WindowsOptions
{
    /// <summary>The longest label that Windows shows, in UTF-16 units.</summary>
    public const int MaxLabel = 32;

    /// <summary>What Windows shows as the volume's label, until somebody changes it; null = the label on the volume.</summary>
    public string? Label { get; init; }
    /// <summary>Names that differ in case only are different.</summary>
    public bool CaseSensitive { get; init; }
    /// <summary>Whose the files are.</summary>
    public AclMode Acl { get; init; }
    /// <summary>Binary SID of the mounting user; BUILTIN\Administrators if nobody says.</summary>
    public byte[]? OwnerSid { get; init; }
    /// <summary>Binary SID of the mounting user's primary group; the owner's if nobody says.</summary>
    public byte[]? GroupSid { get; init; }
    /// <summary>Owner of what is created; null = the owner of the directory.</summary>
    public uint? Uid { get; init; }
    /// <summary>Group of what is created; null = the group of the directory.</summary>
    public uint? Gid { get; init; }
    /// <summary>Bits taken from the mode of what is created (0666 for files, 0777 for directories).</summary>
    public ushort Umask { get; init; } = 0x12;
    /// <summary>Names that begin with a dot have FILE_ATTRIBUTE_HIDDEN.</summary>
    public bool HideDotFiles { get; init; }
    /// <summary>Bound of the name cache in entries.</summary>
    public int CachedNames { get; init; } = 65536;
    /// <summary>A directory with more names gets no folded index: every miss looks at all of them.</summary>
    internal int IndexedNames { get; init; } = 1 << 20;
    /// <summary>Names in all folded indexes together, if there are several.</summary>
    internal int IndexBudget { get; init; } = 1 << 18;
}
