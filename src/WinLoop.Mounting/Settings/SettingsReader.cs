using System.Globalization;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using WinLoop.Mounting.Windows;

namespace WinLoop.Mounting.Settings;

/// <summary>
/// Reads the settings: <c>winloop.json</c> of the machine, then of the user, then variables <c>WINLOOP_SECTION__KEY</c>; a later one
/// overrides an earlier one, key by key. What nobody knows and what cannot be is refused, with the place and the key.
/// </summary>
public static class SettingsReader
{
    private const long SmallestLog = 4096;
    private const int MostLogs = 100;

    private static readonly string[] s_sections = ["mount", "log"];

    private static readonly HashSet<string> s_keys = new(StringComparer.OrdinalIgnoreCase)
    {
        "$schema", "mount:readOnly", "mount:options", "mount:open", "mount:acl", "mount:uid", "mount:gid", "mount:umask", "mount:fsname", "mount:cache",
        "mount:caseSensitive", "mount:hideDotFiles", "log:file", "log:level", "log:maxSize", "log:files",
    };

    /// <summary>The settings of this process.</summary>
    /// <param name="notes">Gets a sentence if a file does not count.</param>
    /// <exception cref="MountException">Usage: names the file or variable and the key.</exception>
    public static UserSettings Read(ICollection<string> notes) => Read(
        SettingsFile.OfUser is { } own ? [SettingsFile.OfMachine, own] : [SettingsFile.OfMachine], notes);

    /// <summary>The settings of these files and of the environment.</summary>
    internal static UserSettings Read(IReadOnlyList<string> files, ICollection<string> notes)
    {
        var sources = new List<SettingsSource>();
        foreach (string file in files)
        {
            if (!SettingsFile.IsTrusted(file))
            {
                notes.Add($"The settings in {file} do not count: the file belongs to somebody else.");
            }
            else if (SettingsSource.OfFile(file) is { } source)
            {
                sources.Add(source);
            }
        }
        if (SettingsSource.OfEnvironment(s_sections) is { } environment)
        {
            sources.Add(environment);
        }
        return sources.Count == 0 ? UserSettings.None : Interpret(sources);
    }

    private static UserSettings Interpret(List<SettingsSource> sources)
    {
        sources.ForEach(RequireKnownKeys);
        var values = new Values(sources);
        return new UserSettings
        {
            ReadOnly = values.Switch("mount:readOnly"),
            Options = values.Checked("mount:options", text => MountOptionParser.Parse(text, new MountOptions { IsReadOnly = true }, [])),
            Open = values.Switch("mount:open"),
            Acl = values.Checked("mount:acl", text => CheckWindows(acl: text)),
            Uid = values.Checked("mount:uid", text => CheckWindows(uid: text)),
            Gid = values.Checked("mount:gid", text => CheckWindows(gid: text)),
            Umask = values.Checked("mount:umask", text => CheckWindows(umask: text)),
            FileSystemName = values.Checked("mount:fsname", text => CheckWindows(fileSystemName: text)),
            Cache = values.Checked("mount:cache", text => CheckWindows(cache: text)),
            CaseSensitive = values.Switch("mount:caseSensitive"),
            HideDotFiles = values.Switch("mount:hideDotFiles"),
            LogFile = values.Of("log:file", text => Path.IsPathFullyQualified(text) ? text : null, "an absolute path"),
            LogLevel = values.Of("log:level", text => LogLevelName.TryParse(text, out LogLevel level) ? level : (LogLevel?)null, LogLevelName.All),
            LogMaxSize = values.Of("log:maxSize", text => ByteSize.TryParse(text, out long size) && size >= SmallestLog ? size : (long?)null,
                "a size of at least 4096 bytes, for example 10M"),
            LogFiles = values.Of("log:files", text => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int count) &&
                count is >= 1 and <= MostLogs ? count : (int?)null, "a number from 1 to 100"),
        };
    }

    private static void CheckWindows(
        string? acl = null, string? uid = null, string? gid = null, string? umask = null, string? fileSystemName = null, string? cache = null) =>
        _ = WindowsMountOptions.Parse(false, acl, uid, gid, umask, fileSystemName, cache, false);

    private static void RequireKnownKeys(SettingsSource source)
    {
        foreach ((string key, string? value) in source.Configuration.AsEnumerable())
        {
            bool isOurs = !source.IsEnvironment || s_sections.Any(s => key.StartsWith(s + ":", StringComparison.OrdinalIgnoreCase));
            bool isSection = value is null && source.Configuration.GetSection(key).GetChildren().Any();
            if (isOurs && !s_keys.Contains(key) && !isSection && !(value is null && s_sections.Contains(key, StringComparer.OrdinalIgnoreCase)))
            {
                throw source.Wrong(key, "is no setting", "The manual page 'settings' lists them all.");
            }
        }
    }

    /// <summary>Looks keys up in the sources, the last one first.</summary>
    private sealed class Values(List<SettingsSource> sources)
    {
        public bool? Switch(string key) => Of(key, text => bool.TryParse(text, out bool value) ? value : (bool?)null, "true or false");

        // As the command line's parser says it, with the place in front.
        public string? Checked(string key, Action<string> parse)
        {
            if (Find(key, out SettingsSource source) is not { } text)
            {
                return null;
            }
            try
            {
                parse(text);
                return text;
            }
            catch (MountException e)
            {
                throw new MountException(e.Error, $"wrong setting in {source.Place}", $"{source.NameOf(key)} is '{text}': {e.Reason}", e.Hint, e);
            }
        }

        public T? Of<T>(string key, Func<string, T?> parse, string takes) =>
            Find(key, out SettingsSource source) is not { } text ? default
            : parse(text) is { } value ? value
            : throw source.Wrong(key, $"is '{text}'", $"It takes {takes}.");

        private string? Find(string key, out SettingsSource source)
        {
            for (int i = sources.Count - 1; i >= 0; i--)
            {
                source = sources[i];
                if (source.Configuration[key] is { } value)
                {
                    return value;
                }
            }
            source = sources[0];
            return null;
        }
    }
}
