using Microsoft.Extensions.Logging;

namespace WinLoop.Mounting.Logging;

/// <summary>Loggers whose lines go to one <see cref="LogFile"/>; it is closed with this.</summary>
/// <param name="file">Where they go.</param>
/// <param name="minimum">What is less is left out.</param>
public sealed class FileLoggerProvider(LogFile file, LogLevel minimum) : ILoggerProvider
{
    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => new LineLogger(minimum, file.Write);

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();
}
