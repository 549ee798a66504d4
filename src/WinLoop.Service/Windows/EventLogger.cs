using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Extensions.Logging;
using Microsoft.Win32;

namespace WinLoop.Service.Windows;

/// <summary>Windows' event log, source WinLoop of the log Application. The event's number is its kind: 1 information, 2 warning,
/// 3 error. A log that takes nothing must not end a mount: failures are ignored.</summary>
[SupportedOSPlatform("windows")]
internal sealed unsafe partial class EventLogger : ILogger, IDisposable
{
    private const string SourceKey = @"SYSTEM\CurrentControlSet\Services\EventLog\Application\" + ServicePaths.ServiceName;

    // Every Windows 10 and 11 has it: its messages 0 to 65535 are the text that is given.
    private const string MessageFile = @"%SystemRoot%\Microsoft.NET\Framework64\v4.0.30319\EventLogMessages.dll";
    private const ushort ErrorType = 1, WarningType = 2, InformationType = 4;
    private const int TypesSupported = ErrorType | WarningType | InformationType;

    // The event log takes 31,839 characters in one string.
    private const int MaxText = 30_000;

    private readonly nint _source = RegisterEventSource(null, ServicePaths.ServiceName);

    /// <summary>Tells Windows how events of the source are shown.</summary>
    /// <exception cref="UnauthorizedAccessException">Only an administrator may.</exception>
    internal static void Install()
    {
        using RegistryKey key = Registry.LocalMachine.CreateSubKey(SourceKey);
        key.SetValue("EventMessageFile", MessageFile, RegistryValueKind.ExpandString);
        key.SetValue("TypesSupported", TypesSupported, RegistryValueKind.DWord);
    }

    /// <summary>Takes that back.</summary>
    internal static void Uninstall() => Registry.LocalMachine.DeleteSubKeyTree(SourceKey, throwOnMissingSubKey: false);

    /// <inheritdoc/>
    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    /// <inheritdoc/>
    public bool IsEnabled(LogLevel logLevel) => logLevel is >= LogLevel.Information and < LogLevel.None && _source != 0;

    /// <inheritdoc/>
    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!IsEnabled(logLevel))
        {
            return;
        }
        string text = formatter(state, exception);
        text = text.Length > MaxText ? text[..MaxText] : text;
        (ushort type, uint id) = logLevel switch
        {
            LogLevel.Information => (InformationType, 1u),
            LogLevel.Warning => (WarningType, 2u),
            _ => (ErrorType, 3u),
        };
        fixed (char* first = text)
        {
            char* strings = first;
            _ = ReportEvent(_source, type, 0, id, 0, 1, 0, &strings, null);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _ = DeregisterEventSource(_source);

    [LibraryImport("advapi32", EntryPoint = "RegisterEventSourceW", StringMarshalling = StringMarshalling.Utf16)]
    private static partial nint RegisterEventSource(string? server, string source);

    [LibraryImport("advapi32", EntryPoint = "DeregisterEventSource")]
    private static partial int DeregisterEventSource(nint source);

    [LibraryImport("advapi32", EntryPoint = "ReportEventW")]
    private static partial int ReportEvent(nint source, ushort type, ushort category, uint id, nint user, ushort count, uint dataSize, char** strings, void* data);
}
