using System.Runtime.InteropServices;
using WinLoop.WinFsp.Hosting;

namespace WinLoop.Cli.Serving;

/// <summary>
/// Tells that the machine is about to sleep, and that it has slept: on Windows the system does, on Linux a sleep hook
/// sends SIGUSR1 and SIGUSR2 (there the second is not needed: the volume looks at the clocks by itself).
/// </summary>
internal sealed class SleepSignals : IDisposable
{
    // Not in PosixSignal; the numbers of x86-64 and Arm64.
    private const int UserSignal1 = 10;
    private const int UserSignal2 = 12;

    private readonly List<IDisposable> _registrations = [];

    /// <param name="suspend">Called before a sleep; has about two seconds.</param>
    /// <param name="resume">Called after one.</param>
    /// <param name="notes">Gets a sentence if the system does not tell.</param>
    internal SleepSignals(Action suspend, Action resume, List<string> notes)
    {
        if (OperatingSystem.IsWindows())
        {
            if (PowerEvents.TryListen(suspend, resume, out string? reason) is { } events)
            {
                _registrations.Add(events);
            }
            else
            {
                notes.Add($"Windows will not tell when it goes to sleep: {reason}");
            }
            return;
        }
        _registrations.Add(Register(UserSignal1, suspend));
        _registrations.Add(Register(UserSignal2, resume));
    }

    /// <inheritdoc/>
    public void Dispose() => _registrations.ForEach(r => r.Dispose());

    private static PosixSignalRegistration Register(int signal, Action action) =>
        PosixSignalRegistration.Create((PosixSignal)signal, context =>
        {
            context.Cancel = true;
            action();
        });
}
