using System.Globalization;
using WinLoop.Ext4.Check;

namespace WinLoop.Cli.Output;

/// <summary>How far a check is, on one line of the terminal that is wiped at the end. Shows nothing anywhere else.</summary>
internal sealed class ProgressLine(bool isShown) : IDisposable
{
    private const long MinimumInterval = 100;

    private readonly bool _isShown = isShown && !Console.IsErrorRedirected;
    private long _last;
    private bool _isDirty;

    internal void Show(CheckProgress progress)
    {
        long now = Environment.TickCount64;
        if (!_isShown || now - _last < MinimumInterval)
        {
            return;
        }
        _last = now;
        _isDirty = true;
        long percent = progress.Total == 0 ? 100 : progress.Done * 100 / progress.Total;
        Console.Error.Write(string.Create(CultureInfo.InvariantCulture, $"\rpass {progress.Pass}: {percent,3} %"));
    }

    public void Dispose()
    {
        if (_isDirty)
        {
            Console.Error.Write("\r               \r");
            _isDirty = false;
        }
    }
}
