using WinLoop.Ext4;
using WinLoop.Mounting;
using WinLoop.Mounting.Windows;
using WinLoop.Storage;
using WinLoop.WinFsp.Requests;

namespace WinLoop.WinFsp.Hosting;

/// <summary>A volume mounted through WinFsp, whichever binding carries it: what is common to their lives.</summary>
public abstract class WindowsHost : IMountHost
{
    private static readonly TimeSpan DrainLimit = TimeSpan.FromMinutes(1);

    private readonly Ext4Volume _volume;
    private readonly IVolumeFlusher? _flusher;
    private readonly Lock _gate = new();
    private readonly ManualResetEventSlim _closed = new();
    private bool _isStopping;

    private protected WindowsHost(Ext4Volume volume, WindowsSession session, WinFspMountOptions options)
    {
        _volume = volume;
        Session = session;
        _flusher = options.Flusher ?? (OperatingSystem.IsWindows() ? new RootDirectoryFlusher() : null);
        FileSystemType = options.FileSystemName;
    }

    /// <summary>Where the volume is: <c>X:</c>, or the folder.</summary>
    public string MountPoint { get; private protected set; } = "";

    /// <summary>What carries the mount: <c>WinFsp.Disk</c>.</summary>
    public string DeviceName => WinFspHost.Device;

    /// <summary>The file system as Windows shows it.</summary>
    public string FileSystemType { get; }

    /// <summary>Who has files open, for people: <c>notepad (pid 4711, \notes.txt)</c>; a file that is closed but still in
    /// Windows' cache counts too.</summary>
    public IReadOnlyList<string> FindUsers() =>
        [.. Session.FileSystem.ListUsers().OrderBy(u => u.ProcessId).Select(u =>
        {
            string files = u.Files == 1 ? u.Example : $"{u.Example} and {u.Files - 1} more";
            return u.ProcessId == 0 ? $"a program that is not known ({files})" : $"{NameOf(u.ProcessId)} (pid {u.ProcessId}, {files})";
        })];

    private static string NameOf(uint processId)
    {
        try
        {
            using var process = System.Diagnostics.Process.GetProcessById((int)processId);
            return process.ProcessName;
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return "a program that has ended";
        }
    }

    /// <summary>Files that are open now: by programs, or by Windows for what they have mapped.</summary>
    public int OpenFiles => Session.FileSystem.OpenFiles;

    /// <summary>Why the volume could not be closed cleanly; null if it was, or is not closed yet.</summary>
    public Exception? Failure { get; private set; }

    /// <inheritdoc/>
    public RequestTrace? Trace
    {
        get => Session.Queue.Trace;
        set => Session.Queue.Trace = value;
    }

    /// <summary>The figures of the mount's request queue, one operation per callback.</summary>
    public QueueStatistics GetStatistics() => Session.Queue.GetStatistics();

    internal WindowsSession Session { get; }

    /// <summary>Blocks until the mount is undone and the volume is disposed: when it returns everything is on the device.</summary>
    /// <returns>False if the volume could not be closed cleanly (<see cref="Failure"/> tells why).</returns>
    public bool WaitForUnmount()
    {
        _closed.Wait();
        return Failure is null;
    }

    /// <inheritdoc/>
    public void Suspend()
    {
        Exception? failure = Session.FileSystem.Facts.IsReadOnly ? null : Attempt("flushing", () => _flusher?.FlushVolume(MountPoint));
        try
        {
            _volume.Suspend();
        }
        catch (Ext4Exception e)
        {
            throw new IOException(e.Message, e);
        }
        if (failure is not null)
        {
            throw new IOException($"{MountPoint}: what Windows held back was not written: {failure.Message}", failure);
        }
    }

    /// <inheritdoc/>
    public bool Resume() => _volume.Resume();

    /// <summary>Unmounts and closes the volume; returns when that is done. From any thread that serves no request.</summary>
    /// <param name="force">Although files are open: what programs have written is kept, their handles end.</param>
    /// <exception cref="WinFspMountException">DeviceBusy: files are open, and <paramref name="force"/> was not given.</exception>
    public void Unmount(bool force = false)
    {
        bool isFirst;
        lock (_gate)
        {
            if (!force && !_isStopping && OpenFiles is > 0 and int open)
            {
                throw new WinFspMountException(NtStatus.DeviceBusy, $"{MountPoint} is in use: {open} {(open == 1 ? "file is" : "files are")} open");
            }
            isFirst = !_isStopping;
            _isStopping = true;
        }
        if (isFirst)
        {
            Stop(isDriverGone: false);
        }
        else
        {
            _closed.Wait();
        }
    }

    /// <summary>Makes Windows hand over what it has cached of files that are open.</summary>
    public void FlushSystem()
    {
        if (!Session.FileSystem.Facts.IsReadOnly)
        {
            Attempt("flushing", () => _flusher?.FlushVolume(MountPoint));
        }
    }

    /// <summary>Unmounts, whoever has files open, if still mounted.</summary>
    public void Dispose()
    {
        Unmount(force: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Ends the service of requests and the drive; afterwards no callback runs.</summary>
    private protected abstract void StopDispatcher();

    /// <summary>The driver ended the mount, which nobody asked for: saves what there is. Returns at once, for it is
    /// called by a thread that <see cref="StopDispatcher"/> waits for.</summary>
    private protected void OnDispatcherLost()
    {
        lock (_gate)
        {
            if (_isStopping)
            {
                return;
            }
            _isStopping = true;
        }
        Session.Log($"{MountPoint}: WinFsp has ended the mount; what Windows had not yet written is lost");
        new Thread(() => Stop(isDriverGone: true)) { IsBackground = false, Name = "winfsp stop" }.Start();
    }

    private void Stop(bool isDriverGone)
    {
        try
        {
            // Windows holds data that it has not given to us; it does while the callbacks still run.
            if (!isDriverGone && !Session.FileSystem.Facts.IsReadOnly)
            {
                Attempt("flushing", () => _flusher?.FlushVolume(MountPoint));
            }
            // Buffers of requests that are answered later belong to the driver, until it stops.
            if (!Session.DrainDeferred(DrainLimit))
            {
                Session.Log($"{MountPoint}: {Session.Deferred} requests did not end within {DrainLimit.TotalSeconds} s");
            }
            Attempt("stopping", StopDispatcher);
            // Close does not come for what is open now.
            if (Attempt("closing open files", Session.Dispose) is { } openFailure)
            {
                Failure = openFailure;
            }
            if (Attempt("closing the volume", _volume.Dispose) is { } failure)
            {
                Failure = failure;
            }
        }
        finally
        {
            _closed.Set();
        }
    }

    private Exception? Attempt(string what, Action action)
    {
        try
        {
            action();
            return null;
        }
        catch (Exception e)
        {
            Session.Log($"{MountPoint}: {what} failed: {e.Message}");
            return e;
        }
    }
}
