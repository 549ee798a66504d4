namespace WinLoop.WinFsp.Hosting;

/// <summary>Why Windows wants a console program to end (CTRL_*_EVENT).</summary>
public enum ConsoleEvent
{
    /// <summary>Ctrl-C.</summary>
    ControlC = 0,
    /// <summary>Ctrl-Break.</summary>
    ControlBreak = 1,
    /// <summary>The console window is closed.</summary>
    Close = 2,
    /// <summary>A user logs off; sent to services only.</summary>
    Logoff = 5,
    /// <summary>Windows shuts down.</summary>
    Shutdown = 6,
}
