using WinLoop.Storage;

namespace WinLoop.Mounting;

/// <summary>A mounted volume and what serves it, whichever host that is. The host owns the volume.</summary>
public interface IMountHost : IDisposable
{
    /// <summary>Where the volume is, as the system knows it.</summary>
    string MountPoint { get; }

    /// <summary>The file system's type as the system shows it.</summary>
    string FileSystemType { get; }

    /// <summary>What carries the mount: a block device, a driver's device, or the image.</summary>
    string DeviceName { get; }

    /// <summary>Why the volume could not be closed cleanly; null if it was, or is not closed yet.</summary>
    Exception? Failure { get; }

    /// <summary>The figures of the mount's request queue, one operation per kind of request.</summary>
    QueueStatistics GetStatistics();

    /// <summary>The machine is about to sleep: what the system holds back of the mount is written, and the image is left
    /// committed, whole and clean. The mount stays and can be used.</summary>
    /// <exception cref="IOException">Something could not be written; the image is as a power cut would leave it.</exception>
    void Suspend();

    /// <summary>The machine has slept: looks whether somebody else has changed the image meanwhile.</summary>
    /// <returns>False if it was changed and the mount is read-only now, or if it cannot be read yet.</returns>
    bool Resume();

    /// <summary>Tells of every request at its end; null ends that.</summary>
    RequestTrace? Trace { get; set; }

    /// <summary>Blocks until the mount is undone and the volume is disposed: everything is on the device then.</summary>
    /// <returns>False if the volume could not be closed cleanly (<see cref="Failure"/> tells why).</returns>
    bool WaitForUnmount();
}
