using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using WinLoop.Cli.Output;
using WinLoop.Mounting;
using WinLoop.Mounting.Linux;
using WinLoop.Mounting.Logging;
using WinLoop.Storage;

namespace WinLoop.Cli.Serving;

/// <summary>What one mount tells its log: a line when it begins and when it ends, what the host says, and every request if that
/// is wanted. Without a file only the traces of a mount in the foreground are shown, on stderr.</summary>
internal sealed partial class MountLog : IDisposable
{
    private readonly LogFile? _file;
    private readonly ILogger _logger;

    private MountLog(LogFile? file, ILogger logger) => (_file, _logger) = (file, logger);

    /// <summary>Opens the log.</summary>
    /// <param name="options">Of the mount.</param>
    /// <param name="showTraces">True if somebody looks at stderr.</param>
    /// <exception cref="MountException">The file cannot be written.</exception>
    internal static MountLog Open(LogOptions options, bool showTraces)
    {
        if (options.File is not null)
        {
            LogFile file = LogFile.Open(options);
            return new MountLog(file, new LineLogger(options.Level, file.Write));
        }
        return new MountLog(null, showTraces && options.Level == LogLevel.Trace
            ? new LineLogger(LogLevel.Trace, ShowTrace)
            : NullLogger.Instance);
    }

    /// <summary>Refuses a log file that is the image, or is in the volume: each line would be a write to what it tells of.</summary>
    internal static void RequireElsewhere(LogOptions options, string image, string? directory, string what)
    {
        if (options.File is not { } file)
        {
            return;
        }
        string path = HostPath.Resolve(file);
        bool isImage = path == image || (OperatingSystem.IsLinux() && FileStatus.Of(path) is { } log && FileStatus.Of(image) is { } other &&
            (log.DeviceMajor, log.DeviceMinor, log.Inode) == (other.DeviceMajor, other.DeviceMinor, other.Inode));
        StringComparison comparison = OperatingSystem.IsWindows() ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;
        bool isInside = directory is not null && path.StartsWith(Path.TrimEndingDirectorySeparator(directory) + Path.DirectorySeparatorChar, comparison);
        if (isImage || isInside)
        {
            throw new MountException(MountError.Usage, what, isImage ? "the log file is the image" : "the log file would be in the mount itself", "Give another file.");
        }
    }

    /// <summary>The one line of a mount: what, where, how, and why so.</summary>
    internal void Mounted(MountedImage image, string directory)
    {
        if (_logger.IsEnabled(LogLevel.Information))
        {
            LogMounted(MountSummary.Of(image, directory));
        }
    }

    /// <summary>The end of the mount.</summary>
    internal void Unmounted(string directory, string image) => LogUnmounted(image, directory);

    /// <summary>The mount has not come about, or has not ended well.</summary>
    internal void Failed(MountException failure) => LogFailure(failure.Message);

    /// <summary>What the host has to say.</summary>
    internal void Host(string message) => LogHost(message);

    /// <summary>The trace of a queue; null if none is wanted.</summary>
    /// <param name="queue">Its name in <c>winloop stat</c>.</param>
    internal RequestTrace? Trace(string queue) => !_logger.IsEnabled(LogLevel.Trace) ? null : (operation, request) =>
    {
        double microseconds = Stopwatch.GetElapsedTime(request.StartTimestamp, request.EndTimestamp).TotalMicroseconds;
        LogRequest(queue, operation, request.Describe() ?? "", request.Bytes, (long)microseconds, request.Status);
    };

    /// <inheritdoc/>
    public void Dispose() => _file?.Dispose();

    private static void ShowTrace(LogLevel level, string line)
    {
        if (level == LogLevel.Trace)
        {
            StandardStreams.Error.WriteLine(Printable.Text(line));
        }
    }

    [LoggerMessage(LogLevel.Information, "{Summary}")]
    private partial void LogMounted(string summary);

    [LoggerMessage(LogLevel.Information, "unmounted {Image} from {Directory}; clean")]
    private partial void LogUnmounted(string image, string directory);

    [LoggerMessage(LogLevel.Error, "{Message}")]
    private partial void LogFailure(string message);

    [LoggerMessage(LogLevel.Warning, "{Message}")]
    private partial void LogHost(string message);

    [LoggerMessage(LogLevel.Trace, "{Queue} {Operation} {What} bytes {Bytes} us {Microseconds} {Status}")]
    private partial void LogRequest(string queue, string operation, string what, long bytes, long microseconds, QueueStatus status);
}
