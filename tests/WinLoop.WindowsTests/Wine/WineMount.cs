using System.Diagnostics;
using WinLoop.TestKit;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Wine;

/// <summary>An image on the Linux side, served by winloop.exe under Wine.</summary>
internal sealed class WineMount : IDisposable
{
    private readonly WineSession _session;
    private readonly Process _process;
    private readonly Task<string> _error;
    private readonly int _port;

    public WineMount(WineSession session, TestImage image, string letter = "X:", params string[] more)
    {
        session.Start();
        _session = session;
        Image = image;
        Letter = letter;
        string portFile = Path.Combine(Path.GetDirectoryName(image.Path)!, "port");
        File.Delete(portFile);
        _process = session.Spawn(portFile, ["mount", WineSession.Windows(image.Path), letter, "--foreground", .. more]);
        _error = _process.StandardError.ReadToEndAsync();
        string? answer = _process.StandardOutput.ReadLine();
        Assert.True(answer == letter, $"printed '{answer}'; {(_process.WaitForExit(2000) ? _error.Result : "")}");
        _port = int.Parse(File.ReadAllText(portFile), System.Globalization.CultureInfo.InvariantCulture);
        Client = Connect();
    }

    public TestImage Image { get; }
    public string Letter { get; }
    public StandInClient Client { get; }

    /// <summary>Another simulated program of the user who mounts, with a connection of its own.</summary>
    public StandInClient Connect()
    {
        StandInClient client = ConnectAsStranger();
        client.SetToken(Sid(1000), Sid(513));
        return client;
    }

    /// <summary>A simulated program of somebody else.</summary>
    public StandInClient ConnectAsStranger() => StandInClient.Tcp(_port, Letter);

    // S-1-5-21-0-0-0-RID: every process under Wine runs as the user 1000 of this domain.
    private static byte[] Sid(int rid)
    {
        byte[] sid = new byte[28];
        (sid[0], sid[1], sid[7], sid[8]) = (1, 5, 5, 21);
        BitConverter.TryWriteBytes(sid.AsSpan(24), rid);
        return sid;
    }

    /// <summary>Flushes as the driver would, then <c>winloop unmount</c>; the image has to be clean.</summary>
    public void Unmount()
    {
        Client.FlushVolume().ThrowIfFailed("flush volume");
        Assert.Equal(0, Client.GetStatistics().OpenHandles);
        Shell.Result result = _session.Run("unmount", Letter);
        Assert.True(result.ExitCode == 0, result.All);
        Assert.True(_process.WaitForExit(30_000), "winloop mount did not end");
        Image.AssertClean();
    }

    /// <summary>Ends the server as a crash does.</summary>
    public void Kill()
    {
        _process.Kill(entireProcessTree: true);
        _process.WaitForExit();
    }

    public void Dispose()
    {
        Client.Dispose();
        if (!_process.HasExited)
        {
            Kill();
        }
        _process.Dispose();
    }
}
