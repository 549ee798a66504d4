namespace WinLoop.WinFsp.Hosting;

/// <summary>Makes the driver write what it has cached of a mounted volume, through our callbacks.</summary>
public interface IVolumeFlusher
{
    /// <summary>Returns when everything is written. Called from a thread that serves no requests, while others do.</summary>
    /// <param name="mountPoint">As the host tells it.</param>
    /// <exception cref="IOException">It could not be done.</exception>
    void FlushVolume(string mountPoint);
}
