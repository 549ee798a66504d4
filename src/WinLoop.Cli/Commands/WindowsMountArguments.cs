using System.CommandLine;
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

    internal void AddTo(Command command)
    {
        foreach (Option option in new Option[] { _caseSensitive, _acl, _uid, _gid, _umask, _fileSystemName, _cache, _hideDotFiles })
        {
            command.Options.Add(option);
        }
    }

    /// <summary>The options as they were given, for the process in the background.</summary>
    internal IEnumerable<string> Repeat(ParseResult parsed)
    {
        foreach (Option<bool> option in new[] { _caseSensitive, _hideDotFiles })
        {
            if (parsed.GetValue(option))
            {
                yield return option.Name;
            }
        }
        foreach (Option<string?> option in new[] { _acl, _uid, _gid, _umask, _fileSystemName, _cache })
        {
            if (parsed.GetValue(option) is { } value)
            {
                yield return option.Name;
                yield return value;
            }
        }
    }

    /// <summary>What was given; the defaults where these options do not exist.</summary>
    internal WindowsMountOptions Parse(ParseResult parsed) => !OperatingSystem.IsWindows() ? new WindowsMountOptions()
        : WindowsMountOptions.Parse(parsed.GetValue(_caseSensitive), parsed.GetValue(_acl), parsed.GetValue(_uid), parsed.GetValue(_gid),
            parsed.GetValue(_umask), parsed.GetValue(_fileSystemName), parsed.GetValue(_cache), parsed.GetValue(_hideDotFiles));
}
