using System.Text.Json;
using Microsoft.Win32.SafeHandles;
using WinLoop.Cli.Output;
using WinLoop.Mounting;
using WinLoop.Mounting.Registry;

namespace WinLoop.Cli.Serving;

/// <summary>
/// The process that serves a mount after <c>winloop mount</c> has returned. It tells the process in front
/// by a pipe how the mounting went; what it has to say later goes to its log (on Linux its stderr).
/// </summary>
internal static class BackgroundServer
{
    internal static int Run(string id, Func<MountRequest> parse)
    {
        var notes = new List<string>();
        try
        {
            if (OperatingSystem.IsWindows())
            {
                StandardStreams.LogErrors(MountRegistry.Open().LogPath(id));
            }
            MountRequest request = parse();
            // It must not keep a directory of the user busy.
            Environment.CurrentDirectory = OperatingSystem.IsWindows() ? Environment.SystemDirectory : "/";
            using MountServer server = MountServer.Start(request, id, notes);
            if (!Tell(id, new ReadyMessage(server.Mounted, notes, null)))
            {
                // Nobody waits any more: the user has given up.
                server.Stop(force: true);
            }
            server.WaitForEnd();
            return 0;
        }
        catch (Exception e)
        {
            MountException failure = Failures.Explain(e, "cannot mount");
            if (!Tell(id, new ReadyMessage(null, notes, new ErrorDetail(ErrorCodes.NameOf(failure.Error), (int)failure.Error, failure.Message, failure.Hint))))
            {
                StandardStreams.Error.WriteLine(failure.Message);
            }
            return (int)failure.Error;
        }
    }

    private static bool s_told;

    /// <summary>Tells once; false if nobody listens.</summary>
    private static bool Tell(string id, ReadyMessage message)
    {
        if (s_told)
        {
            return false;
        }
        s_told = true;
        try
        {
            using Stream pipe = OperatingSystem.IsWindows()
                ? WindowsSpawn.OpenReady(id)
                : new FileStream(new SafeFileHandle(Spawn.ReadyDescriptor, ownsHandle: true), FileAccess.Write, 0);
            JsonSerializer.Serialize(pipe, message, ReadyJson.Default.ReadyMessage);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
