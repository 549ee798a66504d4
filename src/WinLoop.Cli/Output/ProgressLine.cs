using System.Globalization;
using WinLoop.Ext4.Check;
using WinLoop.Mounting;

namespace WinLoop.Cli.Output;

/// <summary>How far a command is, on one line of the terminal that is wiped at the end. Shows nothing anywhere else.</summary>
internal sealed class ProgressLine(bool isShown) : IDisposable
{
    private const long MinimumInterval = 100;
    private const int Width = 78;

    private readonly bool _isShown = isShown && !Console.IsErrorRedirected;
    private long _last;
    private bool _isDirty;

    internal void Show(CheckProgress progress)
    {
        if (IsDue())
        {
            long percent = progress.Total == 0 ? 100 : progress.Done * 100 / progress.Total;
            Write(string.Create(CultureInfo.InvariantCulture, $"pass {progress.Pass}: {percent,3} %"));
        }
    }

    /// <summary>Bytes copied so far, and what is being copied.</summary>
    internal void Show(string path, long bytes)
    {
        if (IsDue())
        {
            Write($"{ByteSize.Format(bytes),10}  {Printable.Text(path)}");
        }
    }

    /// <summary>Bytes done of all.</summary>
    internal void Show(string path, long done, long total)
    {
        if (IsDue())
        {
            Write(string.Create(CultureInfo.InvariantCulture, $"{(total == 0 ? 100 : done * 100d / total),5:0.0} %  {Printable.Text(path)}"));
        }
    }

    public void Dispose()
    {
        if (_isDirty)
        {
            Console.Error.Write($"\r{new string(' ', Width)}\r");
            _isDirty = false;
        }
    }

    private bool IsDue()
    {
        long now = Environment.TickCount64;
        if (!_isShown || now - _last < MinimumInterval)
        {
            return false;
        }
        _last = now;
        return true;
    }

    private void Write(string text)
    {
        _isDirty = true;
        Console.Error.Write("\r" + (text.Length > Width ? text[..Width] : text.PadRight(Width)));
    }
}
