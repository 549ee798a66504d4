using Microsoft.Extensions.Logging;

namespace WinLoop.Mounting.Logging;

/// <summary>A logger that makes one line of each event and hands it on.</summary>
/// <param name="minimum">What is less is left out.</param>
/// <param name="write">Takes the line.</param>
public sealed class LineLogger(LogLevel minimum, Action<LogLevel, string> write) : ILogger
{
    /// <inheritdoc/>
    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    /// <inheritdoc/>
    public bool IsEnabled(LogLevel logLevel) => logLevel >= minimum && logLevel != LogLevel.None;

    /// <inheritdoc/>
    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (IsEnabled(logLevel))
        {
            string text = formatter(state, exception);
            write(logLevel, exception is null ? text : $"{text}: {exception}");
        }
    }
}
