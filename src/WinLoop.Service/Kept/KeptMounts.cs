using System.Text.Json;
using WinLoop.Mounting;
using WinLoop.Service.Protocol;
using WinLoop.Service.Server;

namespace WinLoop.Service.Kept;

/// <summary>The remembered mounts, in a file that only the service may write.</summary>
internal sealed class KeptMounts
{
    private const string FileName = "kept.json";
    private const long MaxFile = 16 << 20;

    private readonly Lock _gate = new();
    private readonly string _path;
    private readonly ServiceLog _log;
    private List<KeptMount> _mounts = [];

    private KeptMounts(string folder, ServiceLog log) => (_path, _log) = (Path.Combine(folder, FileName), log);

    /// <summary>Reads the file. One that cannot be read is put aside, and said.</summary>
    /// <param name="folder">Of the service alone.</param>
    /// <param name="log">Takes what is wrong with the file.</param>
    internal static KeptMounts Load(string folder, ServiceLog log)
    {
        var kept = new KeptMounts(folder, log);
        try
        {
            if (new FileInfo(kept._path) is { Exists: true, Length: <= MaxFile } && File.ReadAllBytes(kept._path) is { Length: > 0 } bytes)
            {
                kept._mounts = [.. JsonSerializer.Deserialize(bytes, ServiceJson.Default.KeptFile)?.Mounts ?? []];
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            log.Error($"the remembered mounts in {kept._path} cannot be read: {e.Message}");
            kept.PutAside();
        }
        return kept;
    }

    /// <summary>All of them.</summary>
    internal IReadOnlyList<KeptMount> All
    {
        get
        {
            lock (_gate)
            {
                return [.. _mounts];
            }
        }
    }

    /// <summary>Remembers a mount, in place of an earlier one of the same user and image.</summary>
    /// <exception cref="MountException">The file cannot be written.</exception>
    internal void Add(KeptMount mount)
    {
        lock (_gate)
        {
            _mounts.RemoveAll(m => m.Id == mount.Id || (m.Owner == mount.Owner && m.Order.Image == mount.Order.Image && m.Order.Partition == mount.Order.Partition
                && m.MountId is null));
            _mounts.Add(mount);
            try
            {
                Save();
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new MountException(MountError.Failed, "cannot remember the mount", e.Message.TrimEnd('.'), "It is mounted all the same.", e);
            }
        }
    }

    /// <summary>Changes what is known of one; not what is in the file.</summary>
    internal void Update(string id, Func<KeptMount, KeptMount> change)
    {
        lock (_gate)
        {
            int at = _mounts.FindIndex(m => m.Id == id);
            if (at >= 0)
            {
                _mounts[at] = change(_mounts[at]);
            }
        }
    }

    /// <summary>Forgets those that match.</summary>
    /// <returns>How many there were.</returns>
    internal int Forget(Predicate<KeptMount> which)
    {
        lock (_gate)
        {
            int count = _mounts.RemoveAll(which);
            if (count > 0)
            {
                try
                {
                    Save();
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    _log.Error($"{_path} cannot be written: {e.Message}");
                }
            }
            return count;
        }
    }

    private void Save()
    {
        string draft = _path + ".new";
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }
        using (var stream = new FileStream(draft, options))
        {
            JsonSerializer.Serialize(stream, new KeptFile { Mounts = _mounts }, ServiceJson.Default.KeptFile);
            stream.Flush(flushToDisk: true);
        }
        File.Move(draft, _path, overwrite: true);
    }

    private void PutAside()
    {
        try
        {
            File.Move(_path, _path + ".unreadable", overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It stays where it is; the next change writes over it.
        }
    }
}
