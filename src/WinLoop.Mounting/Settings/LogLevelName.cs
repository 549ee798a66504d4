using Microsoft.Extensions.Logging;

namespace WinLoop.Mounting.Settings;

/// <summary>The levels of the log as users write them.</summary>
public static class LogLevelName
{
    /// <summary>All of them, for messages.</summary>
    public const string All = "error, warning, information, debug or trace";

    /// <summary>Takes a word; false if it is no level.</summary>
    public static bool TryParse(string text, out LogLevel level)
    {
        LogLevel? found = text.ToLowerInvariant() switch
        {
            "error" => LogLevel.Error,
            "warning" => LogLevel.Warning,
            "information" or "info" => LogLevel.Information,
            "debug" => LogLevel.Debug,
            "trace" => LogLevel.Trace,
            _ => null,
        };
        level = found ?? LogLevel.None;
        return found is not null;
    }

    /// <summary>The word of a level.</summary>
    public static string Of(LogLevel level) => level switch
    {
        LogLevel.Critical or LogLevel.Error => "error",
        LogLevel.Warning => "warning",
        LogLevel.Information => "information",
        LogLevel.Debug => "debug",
        _ => "trace",
    };
}
