using System.CommandLine;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using WinLoop.Cli.Output;
using WinLoop.Cli.Serving;
using WinLoop.Mounting;
using WinLoop.Mounting.Logging;
using WinLoop.Mounting.Registry;
using WinLoop.Mounting.Settings;
using WinLoop.Mounting.Windows;
using WinLoop.Service;
using WinLoop.Service.Client;

namespace WinLoop.Cli.Commands;

/// <summary><c>winloop mount IMAGE [DIR]</c>: prints the directory when the volume can be used there.</summary>
internal sealed class MountCommand
{
    private readonly Argument<string> _image = new("IMAGE") { Description = "The image file, or a block device." };
    private readonly Argument<string?> _directory = new("DIR")
    {
        Description = "Where to mount it; without it a directory named after the image is made, and removed again by unmount.",
        Arity = ArgumentArity.ZeroOrOne,
    };
    private readonly Option<bool> _readOnly = new("--read-only", "-r") { Description = "Open the image read-only; not one byte of it changes." };
    private readonly Option<string[]> _options = new("--options", "-o")
    {
        Description = "Mount options as of mount(8), separated by commas: ro rw noatime relatime strictatime nosuid nodev noexec sync " +
            "dirsync offset=N sizelimit=N errors=continue|remount-ro|panic data=ordered commit=N barrier=0|1 discard noload " +
            "allow_other cache=SIZE",
        HelpName = "OPTIONS",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
    };
    private readonly Option<bool> _foreground = new("--foreground", "-f") { Description = "Serve the mount from this process; Ctrl-C unmounts." };
    private readonly Option<int?> _partition = new("--partition", "-p") { Description = "Number of the partition; the only one with ext is found by itself.", HelpName = "N" };
    private readonly Option<string?> _offset = new("--offset") { Description = "Where the volume starts in the image, in bytes or with K, M, G, T.", HelpName = "N" };
    private readonly Option<string?> _sizeLimit = new("--sizelimit") { Description = "How much of the image is used, in bytes or with K, M, G, T.", HelpName = "N" };
    private readonly Option<bool> _service = new("--service")
    {
        Description = OperatingSystem.IsWindows() ? "Let the service mount it, and fail if it does not run; without this it does if it runs."
            : "Let the service mount it; without this a process of its own does.",
    };
    private readonly Option<bool> _keep = new("--keep", "-k") { Description = "Let the service mount it, now and whenever it starts, until it is unmounted." };
    private readonly Option<bool> _open = new("--open") { Description = "Open the mounted directory in a window." };
    private readonly Option<string?> _log = new("--log") { Description = "Append to this log file what the mount has to say.", HelpName = "FILE" };
    private readonly Option<string?> _logLevel = new("--log-level")
    {
        Description = $"How much the log tells: {LogLevelName.All}; information without it. With --verbose it is trace: every request.",
        HelpName = "LEVEL",
    };
    private readonly WindowsMountArguments _windows = new();
    private UserSettings _settings = UserSettings.None;
    // Only settings say these.
    private readonly Option<string?> _logMaxSize = new("--log-max-size") { Hidden = true };
    private readonly Option<int?> _logFiles = new("--log-files") { Hidden = true };
    // From the process in front to the one in the background.
    private readonly Option<string?> _serve = new("--serve") { Hidden = true };

    internal static Command Create() => new MountCommand().Build();

    private Command Build()
    {
        var command = new Command("mount", "Mounts an image; prints the directory.")
        {
            _image, _directory, _readOnly, _options, _foreground, _partition, _offset, _sizeLimit, _service, _keep, _open, _log, _logLevel,
            _logMaxSize, _logFiles, _serve,
        };
        _logLevel.CompletionSources.Add("error", "warning", "information", "debug", "trace");
        if (OperatingSystem.IsWindows())
        {
            _windows.AddTo(command);
        }
        command.Action = new CommandTree.CommandAction(Run);
        return command;
    }

    private int Run(ParseResult parsed, Report report)
    {
        string image = parsed.GetRequiredValue(_image);
        if (!OperatingSystem.IsLinux() && !OperatingSystem.IsWindows())
        {
            throw new MountException(MountError.HostMissing, $"cannot mount {image}", "WinLoop mounts on Windows and on Linux only",
                "info and create work here.");
        }
        if (parsed.GetValue(_serve) is { } id)
        {
            // Everything was checked and made absolute by the process in front.
            return BackgroundServer.Run(id, () => Parse(parsed, []));
        }
        var notes = new List<string>();
        _settings = SettingsReader.Read(notes);
        MountRequest request = Parse(parsed, notes);
        notes.ForEach(report.Note);
        Action<string> opener = parsed.GetResult(_open) is { Implicit: false } ? parsed.GetValue(_open) ? Open : _ => { }
            : _settings.Open == true ? Open : _ => { };
        bool isAsked = parsed.GetValue(_service) || parsed.GetValue(_keep);
        if (parsed.GetValue(_foreground))
        {
            return !isAsked ? ForegroundServer.Run(request, report, opener)
                : throw new MountException(MountError.Usage, "mount", "this process or the service serves a mount, not both", "Leave out --foreground.");
        }
        return MountByService(parsed, request, isAsked, report, opener) ?? MountInBackground(parsed, request, report, opener);

        void Open(string directory)
        {
            if (DirectoryWindow.Open(directory) is { } why)
            {
                report.Note(Printable.Text($"No window was opened: {why}."));
            }
        }
    }

    // Null if the service was not asked for and a process of this user's own does it.
    private int? MountByService(ParseResult parsed, MountRequest request, bool isAsked, Report report, Action<string> opener)
    {
        // The service would write a log of the user's choice with its own rights.
        bool hasLog = parsed.GetValue(_log) is { Length: > 0 };
        if (isAsked && hasLog)
        {
            throw new MountException(MountError.Usage, "mount", "the service writes a log of its own, not one of each mount",
                "Leave out --log, or --service and --keep.");
        }
        // WinFsp would make a folder with the rights of the service: only letters are its business, and of images only files.
        bool isUsual = OperatingSystem.IsWindows() && !hasLog && !request.Image.StartsWith(@"\\.\", StringComparison.Ordinal) &&
            (request.Directory is null || DriveMountPoint.IsLetter(request.Directory));
        if (!isAsked && !isUsual)
        {
            return null;
        }
        string what = $"cannot mount {request.Image}";
        using ServiceClient? client = isAsked ? ServiceClient.Connect(what) : ServiceClient.TryConnect();
        if (client is null)
        {
            return null;
        }
        MountResult result = client.Mount(request, parsed.GetValue(_keep));
        foreach (string note in result.Notes)
        {
            report.Note(Printable.Text(note));
        }
        MountAnswerWriter.Write(ToAnswer(result.Mount), report);
        opener(result.Mount.Directory);
        return 0;
    }

    /// <summary>The answer for a mount of the service.</summary>
    internal static MountAnswer ToAnswer(ServiceMount m) => new(m.Directory, m.Image, m.Partition, m.Offset, m.Size, m.Label, m.Uuid, m.ReadOnly,
        m.ReadOnlyReason, m.FileSystem, m.Device, m.Pid);

    private MountRequest Parse(ParseResult parsed, List<string> notes)
    {
        List<string> list = [.. Lists(parsed)];
        if (parsed.GetValue(_readOnly))
        {
            list.Add("ro");
        }
        if (parsed.GetValue(_offset) is { } offset)
        {
            list.Add("offset=" + offset);
        }
        if (parsed.GetValue(_sizeLimit) is { } limit)
        {
            list.Add("sizelimit=" + limit);
        }
        int? partition = parsed.GetValue(_partition);
        MountOptions options = MountOptionParser.Parse(string.Join(',', list), new MountOptions(), notes);
        if (partition is < 1)
        {
            throw new MountException(MountError.Usage, "mount", $"there is no partition {partition}", "Partitions are counted from 1; 'winloop info' lists them.");
        }
        if (partition != null && options.Offset != null)
        {
            throw new MountException(MountError.Usage, "mount", "a partition and an offset exclude each other", "Leave one of them out.");
        }
        return new MountRequest
        {
            Image = Path.GetFullPath(parsed.GetRequiredValue(_image)),
            // A drive letter is no path to be made absolute; the frontend knows its mount points.
            Directory = parsed.GetValue(_directory) is not { } directory ? null : OperatingSystem.IsWindows() ? directory : Path.GetFullPath(directory),
            Partition = partition,
            Options = options,
            Windows = _windows.Parse(parsed, _settings),
            Log = ParseLog(parsed),
        };
    }

    // The settings come first: a later option overrides an earlier one.
    private IEnumerable<string> Lists(ParseResult parsed) =>
        [.. _settings.ReadOnly == true ? ["ro"] : (string[])[], .. _settings.Options is { Length: > 0 } set ? [set] : (string[])[], .. parsed.GetValue(_options) ?? []];

    private LogOptions ParseLog(ParseResult parsed)
    {
        var defaults = new LogOptions();
        LogLevel level = _settings.LogLevel ?? defaults.Level;
        if (parsed.GetValue(_logLevel) is { } word && !LogLevelName.TryParse(word, out level))
        {
            throw new MountException(MountError.Usage, "mount", $"'{word}' is not a value of --log-level", $"It takes {LogLevelName.All}.");
        }
        string? file = parsed.GetValue(_log);
        return new LogOptions
        {
            File = file is null ? _settings.LogFile : file.Length > 0 ? Path.GetFullPath(file) : null,
            Level = parsed.GetValue(CommandTree.Verbose) ? LogLevel.Trace : level,
            MaxSize = Size(parsed.GetValue(_logMaxSize)) ?? _settings.LogMaxSize ?? defaults.MaxSize,
            Files = parsed.GetValue(_logFiles) ?? _settings.LogFiles ?? defaults.Files,
        };

        static long? Size(string? text) => text is not null && ByteSize.TryParse(text, out long size) ? size : null;
    }

    private int MountInBackground(ParseResult parsed, MountRequest request, Report report, Action<string> opener)
    {
        MountRegistry registry = MountRegistry.Open();
        string id = MountRegistry.NewId();
        List<string> arguments = ["mount", "--foreground", "--serve", id, .. Repeat(parsed, request), "--", request.Image];
        if (request.Directory != null)
        {
            arguments.Add(request.Directory);
        }
        (string end, string ready) = Start(arguments, registry, id);
        if (ready.Length == 0)
        {
            string? last = registry.LastLogLine(id);
            registry.Remove(id);
            throw new MountException(MountError.Failed, $"cannot mount {request.Image}", $"the serving process {end}" + (last == null ? "" : $": {last}"),
                "Try it with -f, or report this.");
        }
        ReadyMessage message = JsonSerializer.Deserialize(ready, ReadyJson.Default.ReadyMessage)!;
        foreach (string note in message.Notes)
        {
            report.Note(Printable.Text(note));
        }
        if (message.Error is { } error)
        {
            registry.Remove(id);
            return report.Fail((MountError)error.ExitCode, error.Message, error.Hint);
        }
        MountAnswerWriter.Write(message.Mount!, report);
        opener(message.Mount!.Directory);
        return 0;
    }

    private static (string End, string Ready) Start(List<string> arguments, MountRegistry registry, string id)
    {
        string ready;
        if (OperatingSystem.IsWindows())
        {
            return (WindowsSpawn.Start(arguments, id, out ready), ready);
        }
        int pid = Spawn.Start(arguments, registry.LogPath(id), out ready);
        return (ready.Length == 0 ? Spawn.DescribeEnd(pid) : "", ready);
    }

    // The options that hold, those of the settings too, which are not read again; sizes and lists were found right already.
    private IEnumerable<string> Repeat(ParseResult parsed, MountRequest request)
    {
        foreach (string list in Lists(parsed))
        {
            yield return "-o";
            yield return list;
        }
        if (parsed.GetValue(_readOnly))
        {
            yield return "-r";
        }
        foreach ((Option<string?> option, string name) in new[] { (_offset, "--offset"), (_sizeLimit, "--sizelimit") })
        {
            if (parsed.GetValue(option) is { } value)
            {
                yield return name;
                yield return value;
            }
        }
        if (parsed.GetValue(_partition) is { } partition)
        {
            yield return "-p";
            yield return partition.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }
        if (request.Log.File is { } log)
        {
            yield return "--log";
            yield return log;
            yield return "--log-level";
            yield return LogLevelName.Of(request.Log.Level);
            yield return "--log-max-size";
            yield return request.Log.MaxSize.ToString(System.Globalization.CultureInfo.InvariantCulture);
            yield return "--log-files";
            yield return request.Log.Files.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }
        foreach (string word in OperatingSystem.IsWindows() ? _windows.Repeat(parsed, _settings) : [])
        {
            yield return word;
        }
    }
}
