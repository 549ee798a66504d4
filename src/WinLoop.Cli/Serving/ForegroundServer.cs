using WinLoop.Cli.Output;
using WinLoop.Mounting;
using WinLoop.Mounting.Registry;

namespace WinLoop.Cli.Serving;

/// <summary><c>mount -f</c>: serves the mount until it is undone.</summary>
internal static class ForegroundServer
{
    internal static int Run(MountRequest request, Report report, Action<string> opener)
    {
        var notes = new List<string>();
        try
        {
            using MountServer server = MountServer.Start(request, MountRegistry.NewId(), notes, showTraces: true);
            notes.ForEach(note => report.Note(Printable.Text(note)));
            MountAnswerWriter.Write(server.Mounted, report);
            opener(server.Mounted.Directory);
            server.WaitForEnd();
            report.Note(Printable.Text($"Unmounted {Path.GetFileName(request.Image)}."));
            return 0;
        }
        catch (MountException)
        {
            notes.ForEach(note => report.Note(Printable.Text(note)));
            throw;
        }
    }
}
