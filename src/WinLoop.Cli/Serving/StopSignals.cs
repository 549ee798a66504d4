using System.Runtime.InteropServices;

namespace WinLoop.Cli.Serving;

/// <summary>
/// Ctrl-C asks for an unmount and a second one insists; SIGTERM and SIGHUP insist at once. A signal that
/// comes before there is a mount is kept until there is one.
/// </summary>
internal sealed class StopSignals : IDisposable
{
    private readonly List<PosixSignalRegistration> _registrations = [];
    private readonly object _gate = new();
    private Action<bool>? _stop;
    private int _interrupts;
    private bool _pending;
    private bool _force;

    internal StopSignals()
    {
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
    public void Dispose() => _registrations.ForEach(r => r.Dispose());

    private void Take(PosixSignalContext context, bool force)
    {
        context.Cancel = true;
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
