namespace WinLoop.Mounting.Windows;

/// <summary>The options of a mount that only Windows has.</summary>
public sealed record WindowsMountOptions
{
    /// <summary>The longest name of a file system that WinFsp takes.</summary>
    private const int MaxFileSystemName = 15;

    /// <summary>Names, owners, attributes.</summary>
    public WindowsOptions Meaning { get; init; } = new();

    /// <summary>What Windows shows as the file system.</summary>
    public string FileSystemName { get; init; } = "ext4";

    /// <summary>Windows may keep what was written after the last handle is closed.</summary>
    public bool FastCache { get; init; }

    /// <summary>Reads the words of the command line; null = not given.</summary>
    /// <exception cref="MountException">Names the option and what it takes.</exception>
    public static WindowsMountOptions Parse(
        bool caseSensitive, string? acl, string? uid, string? gid, string? umask, string? fileSystemName, string? cache, bool hideDotFiles,
        string? label = null) => new()
    {
        Meaning = new WindowsOptions
        {
            CaseSensitive = caseSensitive,
            Acl = acl switch
            {
                null or "owner" => AclMode.Owner,
                "posix" => AclMode.Posix,
                "everyone" => AclMode.Everyone,
                _ => throw Wrong("--acl", acl, "owner, posix or everyone"),
            },
            Uid = Id("--uid", uid),
            Gid = Id("--gid", gid),
            Umask = umask == null ? new WindowsOptions().Umask : Octal("--umask", umask),
            HideDotFiles = hideDotFiles,
            Label = label is null or { Length: <= WindowsOptions.MaxLabel } && label?.Any(char.IsControl) != true ? label
                : throw Wrong("--label", label!, $"at most {WindowsOptions.MaxLabel} characters"),
        },
        FileSystemName = fileSystemName switch
        {
            null => "ext4",
            { Length: >= 1 and <= MaxFileSystemName } name when name.All(c => c is > ' ' and < '\x7F') && name[0] != '-' => name,
            _ => throw Wrong("--fsname", fileSystemName, "1 to 15 letters, digits or signs, for example NTFS"),
        },
        FastCache = cache switch
        {
            null or "safe" => false,
            "fast" => true,
            _ => throw Wrong("--cache", cache, "safe or fast"),
        },
    };

    private static uint? Id(string option, string? value) => value == null ? null
        : uint.TryParse(value, System.Globalization.NumberStyles.None, null, out uint id) && id != uint.MaxValue ? id
        : throw Wrong(option, value, "a number from 0 to 4294967294");

    private static ushort Octal(string option, string value)
    {
        int result = 0;
        foreach (char c in value)
        {
            if (c is < '0' or > '7' || (result = result * 8 + (c - '0')) > 0x1FF)
            {
                throw Wrong(option, value, "an octal number up to 777");
            }
        }
        return value.Length > 0 ? (ushort)result : throw Wrong(option, value, "an octal number up to 777");
    }

    private static MountException Wrong(string option, string value, string takes) =>
        new(MountError.Usage, "mount", $"'{value}' is not a value of {option}", $"It takes {takes}.");
}
