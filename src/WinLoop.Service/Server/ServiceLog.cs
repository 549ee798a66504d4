using Microsoft.Extensions.Logging;

namespace WinLoop.Service.Server;

/// <summary>What the service has to say, to everybody who keeps it: stderr, a file, Windows' event log.</summary>
internal sealed partial class ServiceLog(params ILogger[] loggers)
{
    /// <summary>Something happened as it should.</summary>
    internal void Information(string text) => Write(LogLevel.Information, text);

    /// <summary>Something is not as it should be, and the service goes on.</summary>
    internal void Warning(string text) => Write(LogLevel.Warning, text);

    /// <summary>A mount or the service itself has failed.</summary>
    internal void Error(string text) => Write(LogLevel.Error, text);

    private void Write(LogLevel level, string text)
    {
        foreach (ILogger logger in loggers)
        {
            Log(logger, level, text);
        }
    }

    [LoggerMessage("{Text}")]
    private static partial void Log(ILogger logger, LogLevel level, string text);
}
