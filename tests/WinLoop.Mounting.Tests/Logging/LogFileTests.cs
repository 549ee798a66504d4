using Microsoft.Extensions.Logging;
using WinLoop.Mounting.Logging;

namespace WinLoop.Mounting.Tests.Logging;

public sealed class LogFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("winloop-log-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string LogPath => Path.Combine(_folder, "w.log");

    [Fact]
    public void A_line_has_its_time_level_and_process()
    {
        using (LogFile log = LogFile.Open(new LogOptions { File = LogPath }))
        {
            using var provider = new FileLoggerProvider(log, LogLevel.Information);
            ILogger logger = provider.CreateLogger("x");
            logger.Log(LogLevel.Debug, "left out");
            logger.Log(LogLevel.Warning, "two\nlines");
            logger.Log(LogLevel.Error, new IOException("broken"), "failed");
        }
        string[] lines = File.ReadAllLines(LogPath);
        Assert.Equal(2, lines.Length);
        Assert.Matches($@"^\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z warning     \[{Environment.ProcessId}\] two lines$", lines[0]);
        Assert.Contains("error       ", lines[1], StringComparison.Ordinal);
        Assert.Contains("failed: System.IO.IOException: broken", lines[1], StringComparison.Ordinal);
    }

    [Fact]
    public void Large_files_are_put_away_and_the_oldest_goes()
    {
        var options = new LogOptions { File = LogPath, MaxSize = 4096, Files = 3 };
        for (int i = 0; i < 100; i++)
        {
            // A batch of its own each: what is written together is not torn apart.
            using LogFile log = LogFile.Open(options);
            log.Write(LogLevel.Information, $"line {i} {new string('x', 300)}");
        }
        Assert.Equal(["w.log", "w.log.1", "w.log.2"], Directory.GetFiles(_folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.All(Directory.GetFiles(_folder), f => Assert.InRange(new FileInfo(f).Length, 1, 4096));
        int[] numbers = [.. new[] { LogPath + ".2", LogPath + ".1", LogPath }.SelectMany(File.ReadAllLines).Select(l => int.Parse(l.Split(' ')[^2]))];
        Assert.Equal(Enumerable.Range(100 - numbers.Length, numbers.Length), numbers);
        Assert.True(numbers.Length > 20);
    }

    [Fact]
    public void Several_writers_lose_and_tear_no_line()
    {
        const int Writers = 4, Lines = 2000;
        var options = new LogOptions { File = LogPath, MaxSize = 1L << 30 };
        Parallel.For(0, Writers, new ParallelOptions { MaxDegreeOfParallelism = Writers }, w =>
        {
            using LogFile log = LogFile.Open(options);
            for (int i = 0; i < Lines; i++)
            {
                log.Write(LogLevel.Information, $"writer{w} {i}");
            }
        });
        string[] lines = File.ReadAllLines(LogPath);
        Assert.Equal(Writers * Lines, lines.Length);
        for (int w = 0; w < Writers; w++)
        {
            Assert.Equal(Enumerable.Range(0, Lines), lines.Where(l => l.Contains($"writer{w} ", StringComparison.Ordinal)).Select(l => int.Parse(l.Split(' ')[^1])));
        }
    }

    [Fact]
    public void A_file_that_cannot_be_written_is_an_error_at_once()
    {
        MountException e = Assert.Throws<MountException>(() => LogFile.Open(new LogOptions { File = Path.Combine(_folder, "none", "w.log") }));
        Assert.Equal(MountError.NotFound, e.Error);
        Assert.Contains("w.log", e.Message, StringComparison.Ordinal);
    }
}
