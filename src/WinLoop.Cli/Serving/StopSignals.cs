using System.Runtime.InteropServices;
using WinLoop.WinFsp.Hosting;

namespace WinLoop.Cli.Serving;

/// <summary>
/// Ctrl-C asks for an unmount and a second one insists; SIGTERM and SIGHUP, on Windows the end of the console, of the
/// session or of Windows itself, insist at once. A signal that comes before there is a mount is kept until there is one.
/// </summary>
internal sealed class StopSignals : IDisposable
{
    // Windows ends the process when the handler of a closing console returns, and after 5 seconds in any case.
    private const int ClosingMilliseconds = 4500;

    private readonly List<IDisposable> _registrations = [];
    private readonly ManualResetEventSlim _ended = new();
    private readonly object _gate = new();
    private Action<bool>? _stop;
    private int _interrupts;
    private bool _pending;
    private bool _force;

    internal StopSignals()
    {
        if (OperatingSystem.IsWindows())
        {
            _registrations.Add(new ConsoleEvents(Take));
            return;
        }
        _registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGINT, context => Take(context, false)));
        foreach (PosixSignal signal in new[] { PosixSignal.SIGTERM, PosixSignal.SIGHUP, PosixSignal.SIGQUIT })
        {
            _registrations.Add(PosixSignalRegistration.Create(signal, context => Take(context, true)));
        }
    }

    /// <summary>From now on signals call <paramref name="stop"/>; one that came before does so at once.</summary>
    internal void Attach(Action<bool> stop)
    {
        bool pending, force;
        lock (_gate)
        {
            (_stop, pending, force) = (stop, _pending, _force);
        }
        if (pending)
        {
            ThreadPool.QueueUserWorkItem(_ => stop(force));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _ended.Set();
        _registrations.ForEach(r => r.Dispose());
    }

    private void Take(ConsoleEvent kind)
    {
        bool isRequest = kind is ConsoleEvent.ControlC or ConsoleEvent.ControlBreak;
        Take(force: !isRequest);
        if (!isRequest)
        {
            _ended.Wait(ClosingMilliseconds);
        }
    }

    private void Take(PosixSignalContext context, bool force)
    {
        context.Cancel = true;
        Take(force);
    }

    private void Take(bool force)
    {
        Action<bool>? stop;
        lock (_gate)
        {
            force |= !force && ++_interrupts > 1;
            _pending = true;
            _force |= force;
            stop = _stop;
        }
        stop?.Invoke(force);
    }
}
