using WinLoop.Mounting.Linux;
using WinLoop.Service.Mounts;
using WinLoop.Service.Server;

namespace WinLoop.Service.Linux;

/// <summary>
/// The mounts of a service, written down beside its socket: when it is killed the kernel keeps them, dead, and the next
/// service takes them away. Only what the kernel still shows with the same number and at the same place is touched.
/// </summary>
internal sealed class StaleMounts(string path, ServiceLog log)
{
    private const char Separator = '\0';
    private readonly Lock _gate = new();

    /// <summary>Writes down what is mounted now.</summary>
    internal void Write(IReadOnlyList<ServedMount> mounts)
    {
        lock (_gate)
        {
            try
            {
                string draft = path + ".new";
                File.WriteAllLines(draft, mounts.Where(m => m.DeviceNumber is not null && !m.Description.Directory.Contains('\n', StringComparison.Ordinal))
                    .Select(m => string.Join(Separator, m.DeviceNumber, m.Description.Device, m.OwnsDirectory ? "1" : "0", m.Description.Directory,
                        m.Description.Image.Replace('\n', '?'))));
                File.Move(draft, path, overwrite: true);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                log.Warning($"{path} cannot be written: {e.Message}");
            }
        }
    }

    /// <summary>Takes away what a killed service left.</summary>
    internal void TakeAway()
    {
        if (!File.Exists(path))
        {
            return;
        }
        foreach (string line in File.ReadAllLines(path))
        {
            string[] fields = line.Split(Separator);
            if (fields.Length != 5)
            {
                continue;
            }
            try
            {
                TakeAway(number: fields[0], device: fields[1], isOwned: fields[2] == "1", directory: fields[3], image: fields[4]);
            }
            catch (Exception e)
            {
                log.Warning($"the dead mount on {fields[3]} cannot be taken away: {e.Message}");
            }
        }
        File.Delete(path);
    }

    private void TakeAway(string number, string device, bool isOwned, string directory, string image)
    {
        if (!MountTable.Read().Any(e => e.Directory == directory && e.Device == number && e.IsFuse))
        {
            return;
        }
        using (PinnedDirectory pin = PinnedDirectory.Open(directory, $"cannot unmount {directory}"))
        {
            if (LinuxFiles.DeviceAt(pin.KernelPath) != number)
            {
                log.Warning($"the dead mount on {directory} is hidden by another; it stays");
                return;
            }
            if (Unmounter.Unmount(pin.KernelPath, lazy: true) is not 0 and int errno)
            {
                log.Warning($"the dead mount on {directory} cannot be undone (error {errno})");
                return;
            }
        }
        LoopDevices.WaitForDetach(device, image);
        new WinLoop.Mounting.MountPoint(directory, isOwned).Release();
        log.Information($"took away the dead mount on {directory}; its image is recovered by the next mount");
    }
}
