using System.Text;

namespace WinLoop.Cli.Output;

/// <summary>
/// stdout and stderr. Off Windows, and into files and pipes everywhere, they are plain UTF-8 streams: what <see cref="Console"/> does beyond that
/// (code pages, the terminal's abilities) is not needed and costs time at the start.
/// </summary>
internal static class StandardStreams
{
    private static TextWriter? s_out, s_error;

    internal static TextWriter Out => s_out ??= OperatingSystem.IsWindows() && !Console.IsOutputRedirected ? Console.Out : Open(Console.OpenStandardOutput(), false);

    internal static TextWriter Error => s_error ??= OperatingSystem.IsWindows() && !Console.IsErrorRedirected ? Console.Error : Open(Console.OpenStandardError(), true);

    /// <summary>From now on errors go to a file: a process in the background has no stderr on Windows.</summary>
    internal static void LogErrors(string path) =>
        s_error = Open(new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete), true);

    /// <summary>From now on answers go into a text.</summary>
    internal static void Capture(TextWriter answers) => s_out = answers;

    private static TextWriter Open(Stream stream, bool flush) =>
        TextWriter.Synchronized(new StreamWriter(stream, new UTF8Encoding(false), 1024) { AutoFlush = flush });
}
