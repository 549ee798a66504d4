using System.Globalization;
using WinLoop.Mounting.Windows;

namespace WinLoop.Service.Protocol;

/// <summary>The options that only Windows has, in the words of the command line.</summary>
internal sealed record WindowsWords
{
    /// <summary><c>--case-sensitive</c>.</summary>
    public bool CaseSensitive { get; init; }
    /// <summary><c>--acl</c>.</summary>
    public string? Acl { get; init; }
    /// <summary><c>--uid</c>.</summary>
    public string? Uid { get; init; }
    /// <summary><c>--gid</c>.</summary>
    public string? Gid { get; init; }
    /// <summary><c>--umask</c>, octal.</summary>
    public string? Umask { get; init; }
    /// <summary><c>--fsname</c>.</summary>
    public string? FileSystemName { get; init; }
    /// <summary><c>--cache</c>.</summary>
    public string? Cache { get; init; }
    /// <summary><c>--hide-dot-files</c>.</summary>
    public bool HideDotFiles { get; init; }
    /// <summary><c>--label</c>.</summary>
    public string? Label { get; init; }

    /// <summary>Writes options down. SIDs are left out: the service knows better who asks.</summary>
    internal static WindowsWords From(WindowsMountOptions options) => new()
    {
        CaseSensitive = options.Meaning.CaseSensitive,
        Acl = options.Meaning.Acl switch
        {
            AclMode.Posix => "posix",
            AclMode.Everyone => "everyone",
            _ => "owner",
        },
        Uid = options.Meaning.Uid?.ToString(CultureInfo.InvariantCulture),
        Gid = options.Meaning.Gid?.ToString(CultureInfo.InvariantCulture),
        Umask = Convert.ToString(options.Meaning.Umask, 8),
        FileSystemName = options.FileSystemName,
        Cache = options.FastCache ? "fast" : "safe",
        HideDotFiles = options.Meaning.HideDotFiles,
        Label = options.Meaning.Label,
    };

    /// <summary>Reads them again.</summary>
    /// <exception cref="Mounting.MountException">Names the option.</exception>
    internal WindowsMountOptions ToOptions() =>
        WindowsMountOptions.Parse(CaseSensitive, Acl, Uid, Gid, Umask, FileSystemName, Cache, HideDotFiles, Label);
}
