using System.Globalization;

namespace WinLoop.Service.Windows;

/// <summary>What the service has to say, in a file that does not grow without bound. It never throws: a full disk must
/// not end a mount.</summary>
internal sealed class FileLog
{
    private const long MaxLength = 1 << 20;

    private readonly Lock _gate = new();
    private readonly string _path;

    private FileLog(string path) => _path = path;

    internal static FileLog Open(string path) => new(path);

    internal void Write(string line)
    {
        lock (_gate)
        {
            try
            {
                if (new FileInfo(_path) is { Exists: true, Length: > MaxLength })
                {
                    File.Move(_path, _path + ".old", overwrite: true);
                }
                string flat = line.ReplaceLineEndings(" | ");
                File.AppendAllText(_path, string.Create(CultureInfo.InvariantCulture, $"{DateTimeOffset.Now:yyyy-MM-dd HH:mm:ss} {flat}\n"));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Nobody is left to tell.
            }
        }
    }
}
