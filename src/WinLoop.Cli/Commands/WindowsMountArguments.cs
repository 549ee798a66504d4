using System.CommandLine;
using WinLoop.Mounting.Settings;
using WinLoop.Mounting.Windows;

namespace WinLoop.Cli.Commands;

/// <summary>The options of <c>winloop mount</c> that say what ext4 means on Windows.</summary>
internal sealed class WindowsMountArguments
{
    private readonly Option<bool> _caseSensitive = new("--case-sensitive") { Description = "Names that differ in case only are different files." };
    private readonly Option<string?> _acl = new("--acl")
    {
        Description = "Whose the files are: owner (yours alone; default), posix (as uid, gid and mode say) or everyone.",
        HelpName = "MODE",
    };
    private readonly Option<string?> _uid = new("--uid") { Description = "Owner, on the volume, of what is created; without it the folder's.", HelpName = "N" };
    private readonly Option<string?> _gid = new("--gid") { Description = "Group, on the volume, of what is created; without it the folder's.", HelpName = "N" };
    private readonly Option<string?> _umask = new("--umask") { Description = "Permissions that what is created does not get (default 022).", HelpName = "OCTAL" };
    private readonly Option<string?> _fileSystemName = new("--fsname")
    {
        Description = "What Windows shows as the file system (default ext4); some installers demand NTFS.",
        HelpName = "NAME",
    };
    private readonly Option<string?> _cache = new("--cache")
    {
        Description = "safe (default): what was written is on the volume when the file is closed; fast: Windows keeps it longer.",
        HelpName = "MODE",
    };
    private readonly Option<bool> _hideDotFiles = new("--hide-dot-files") { Description = "Files whose names begin with a dot are hidden." };

    private readonly Option<string?> _label = new("--label") { Description = "What Windows shows as the label; the volume's own stays.", HelpName = "TEXT" };

    internal void AddTo(Command command)
    {
        _acl.CompletionSources.Add("owner", "posix", "everyone");
        _cache.CompletionSources.Add("safe", "fast");
        foreach (Option option in new Option[] { _caseSensitive, _acl, _uid, _gid, _umask, _fileSystemName, _cache, _hideDotFiles, _label })
        {
            command.Options.Add(option);
        }
    }

    /// <summary>What holds, as options, for the process in the background.</summary>
    internal IEnumerable<string> Repeat(ParseResult parsed, UserSettings settings)
    {
        foreach ((Option<bool> option, bool? setting) in new[] { (_caseSensitive, settings.CaseSensitive), (_hideDotFiles, settings.HideDotFiles) })
        {
            if (Value(parsed, option, setting))
            {
                yield return option.Name;
            }
        }
        foreach ((Option<string?> option, string? setting) in new[]
        {
            (_acl, settings.Acl), (_uid, settings.Uid), (_gid, settings.Gid), (_umask, settings.Umask),
            (_fileSystemName, settings.FileSystemName), (_cache, settings.Cache), (_label, null),
        })
        {
            if ((parsed.GetValue(option) ?? setting) is { } value)
            {
                yield return option.Name;
                yield return value;
            }
        }
    }

    /// <summary>What was given, then what is set; the defaults where these options do not exist.</summary>
    internal WindowsMountOptions Parse(ParseResult parsed, UserSettings settings) => !OperatingSystem.IsWindows() ? new WindowsMountOptions()
        : WindowsMountOptions.Parse(Value(parsed, _caseSensitive, settings.CaseSensitive), parsed.GetValue(_acl) ?? settings.Acl,
            parsed.GetValue(_uid) ?? settings.Uid, parsed.GetValue(_gid) ?? settings.Gid, parsed.GetValue(_umask) ?? settings.Umask,
            parsed.GetValue(_fileSystemName) ?? settings.FileSystemName, parsed.GetValue(_cache) ?? settings.Cache,
            Value(parsed, _hideDotFiles, settings.HideDotFiles), parsed.GetValue(_label));

    // "--case-sensitive=false" overrides a setting.
    private static bool Value(ParseResult parsed, Option<bool> option, bool? setting) =>
        parsed.GetResult(option) is { Implicit: false } ? parsed.GetValue(option) : setting ?? false;
}
