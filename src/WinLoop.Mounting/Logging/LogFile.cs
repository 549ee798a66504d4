using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;
using WinLoop.Mounting.Settings;

namespace WinLoop.Mounting.Logging;

/// <summary>
/// A log file that several processes may write to. A file that has grown too large becomes FILE.1, that one FILE.2, and so on.
/// Lines are written by a thread of its own, so that a slow disk delays no request; when it cannot keep up, traces are
/// left out and counted, everything else waits.
/// </summary>
public sealed class LogFile : IDisposable
{
    private const int Capacity = 16384, BatchBytes = 64 * 1024;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1), s_end = TimeSpan.FromSeconds(5);

    // Far behind any line: on Windows the lock keeps readers away from what it covers.
    private const long LockAt = long.MaxValue - 1;

    // Between threads: the lock on the file is one between processes.
    private static readonly Lock s_writing = new();

    private readonly string _path;
    private readonly long _maxSize;
    private readonly int _files;
    private readonly TimeProvider _time;
    private readonly Queue<string> _lines = new();
    private readonly Thread _thread;
    private long _leftOut;
    private bool _isClosed;

    private LogFile(LogOptions options, TimeProvider time)
    {
        (_path, _maxSize, _files, _time) = (options.File!, options.MaxSize, options.Files, time);
        _thread = new Thread(Run, 256 * 1024) { IsBackground = true, Name = "winloop-log" };
    }

    /// <summary>Opens the file for lines at its end; it is made if it is missing.</summary>
    /// <exception cref="MountException">It cannot be written.</exception>
    public static LogFile Open(LogOptions options, TimeProvider? time = null)
    {
        var log = new LogFile(options, time ?? TimeProvider.System);
        try
        {
            log.OpenStream().Dispose();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw Failures.Explain(e, $"cannot write the log {options.File}");
        }
        log._thread.Start();
        return log;
    }

    /// <summary>Takes one line; line breaks in it become spaces.</summary>
    public void Write(LogLevel level, string text)
    {
        string line = string.Create(CultureInfo.InvariantCulture,
            $"{_time.GetUtcNow():yyyy-MM-dd'T'HH:mm:ss.fff'Z'} {LogLevelName.Of(level),-11} [{Environment.ProcessId}] {text.ReplaceLineEndings(" ")}\n");
        lock (_lines)
        {
            if (_lines.Count >= Capacity && (level <= LogLevel.Debug || !WaitForRoom()))
            {
                _leftOut++;
                return;
            }
            _lines.Enqueue(line);
            Monitor.PulseAll(_lines);
        }
    }

    /// <summary>Writes what is waiting, and ends.</summary>
    public void Dispose()
    {
        lock (_lines)
        {
            _isClosed = true;
            Monitor.PulseAll(_lines);
        }
        _thread.Join(s_end);
    }

    private bool WaitForRoom()
    {
        long end = Environment.TickCount64 + (long)s_patience.TotalMilliseconds;
        while (_lines.Count >= Capacity && !_isClosed)
        {
            long left = end - Environment.TickCount64;
            if (left <= 0 || !Monitor.Wait(_lines, (int)left))
            {
                return _lines.Count < Capacity;
            }
        }
        return !_isClosed;
    }

    private void Run()
    {
        while (TakeBatch() is { } batch)
        {
            try
            {
                WriteBatch(batch);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // The disk is full, or the folder has gone. The mount goes on; the next line that can be written says what is missing.
                lock (_lines)
                {
                    _leftOut += batch.AsSpan().Count((byte)'\n');
                }
            }
        }
    }

    // Null at the end.
    private byte[]? TakeBatch()
    {
        lock (_lines)
        {
            while (_lines.Count == 0)
            {
                if (_isClosed)
                {
                    return null;
                }
                Monitor.Wait(_lines);
            }
            var text = new StringBuilder();
            if (_leftOut > 0)
            {
                text.Append(CultureInfo.InvariantCulture, $"{_time.GetUtcNow():yyyy-MM-dd'T'HH:mm:ss.fff'Z'} {"warning",-11} [{Environment.ProcessId}] {_leftOut} lines are missing here\n");
                _leftOut = 0;
            }
            while (text.Length < BatchBytes && _lines.TryDequeue(out string? line))
            {
                text.Append(line);
            }
            Monitor.PulseAll(_lines);
            return Encoding.UTF8.GetBytes(text.ToString());
        }
    }

    private void WriteBatch(byte[] batch)
    {
        lock (s_writing)
        {
            // Again after the file was put away, because the new one may be another process's too.
            while (!TryWriteBatch(batch))
            {
            }
        }
    }

    private bool TryWriteBatch(byte[] batch)
    {
        using FileStream stream = OpenStream();
        bool isLocked = Lock(stream);
        try
        {
            if (stream.Length > 0 && stream.Length + batch.Length > _maxSize && new FileInfo(_path) is { Exists: true } now && now.Length == stream.Length)
            {
                PutAway();
                return false;
            }
            stream.Seek(0, SeekOrigin.End);
            stream.Write(batch);
            return true;
        }
        finally
        {
            if (isLocked && !OperatingSystem.IsMacOS())
            {
                stream.Unlock(LockAt, 1);
            }
        }
    }

    private void PutAway()
    {
        if (_files == 1)
        {
            File.Delete(_path);
            return;
        }
        for (int i = _files - 1; i >= 1; i--)
        {
            string from = i == 1 ? _path : $"{_path}.{i - 1}";
            if (File.Exists(from))
            {
                File.Move(from, $"{_path}.{i}", overwrite: true);
            }
        }
    }

    // Another process that writes at this moment is waited for; one that hangs is not.
    private static bool Lock(FileStream stream)
    {
        if (OperatingSystem.IsMacOS())
        {
            return false;
        }
        long end = Environment.TickCount64 + (long)s_patience.TotalMilliseconds;
        while (true)
        {
            try
            {
                stream.Lock(LockAt, 1);
                return true;
            }
            catch (IOException) when (Environment.TickCount64 < end)
            {
                Thread.Sleep(1);
            }
            catch (IOException)
            {
                return false;
            }
        }
    }

    private FileStream OpenStream() =>
        new(_path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
}
