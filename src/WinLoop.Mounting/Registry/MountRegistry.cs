using System.Globalization;
using System.Text.Json;
using WinLoop.Mounting.Linux;

namespace WinLoop.Mounting.Registry;

/// <summary>
/// The mounts of one user as small files: <c>ID.json</c> is the record, <c>ID.sock</c> answers for figures,
/// <c>ID.log</c> takes what the serving process says on stderr. The kernel's mount table and the processes
/// have the last word; files that neither confirms are removed.
/// </summary>
public sealed class MountRegistry
{
    private const string RootFolder = "/run/winloop";

    private MountRegistry(string folder) => Folder = folder;

    /// <summary>Where the files are.</summary>
    public string Folder { get; }

    /// <summary>The registry that this user's mounts are written to; its folder is made if it is missing.</summary>
    /// <exception cref="MountException">The folder cannot be made, or belongs to somebody else.</exception>
    public static MountRegistry Open()
    {
        string folder = OwnFolder();
        try
        {
            MakeFolder(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new MountException(e is UnauthorizedAccessException ? MountError.Denied : MountError.Failed, $"cannot make {folder}", e.Message.TrimEnd('.'),
                "Set XDG_RUNTIME_DIR to a folder that you can write to.", e);
        }
        return new MountRegistry(folder);
    }

    /// <summary>A registry for mounts that are in none: those of the service, which keeps its own table.</summary>
    public static MountRegistry OfService { get; } = new("");

    /// <summary>Every mount this user can see: his own and root's.</summary>
    public static IReadOnlyList<KnownMount> ListAll()
    {
        var list = new List<KnownMount>();
        foreach (string folder in VisibleFolders())
        {
            list.AddRange(new MountRegistry(folder).List());
        }
        return list;
    }

    /// <summary>A name that no mount of this registry has.</summary>
    public static string NewId() => string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId}-{System.Diagnostics.Stopwatch.GetTimestamp():x}");

    /// <summary>Path of a mount's socket.</summary>
    public string SocketPath(string id) => Path.Combine(Folder, id + ".sock");

    /// <summary>Path of a mount's log.</summary>
    public string LogPath(string id) => Path.Combine(Folder, id + ".log");

    /// <summary>Writes the record, whole or not at all.</summary>
    public void Write(MountRecord record)
    {
        string path = RecordPath(record.Id);
        string draft = path + ".new";
        File.WriteAllBytes(draft, MountRecordWriter.ToJson(record));
        File.Move(draft, path, overwrite: true);
    }

    /// <summary>Forgets a mount.</summary>
    public void Remove(string id)
    {
        foreach (string path in new[] { RecordPath(id), SocketPath(id), LogPath(id) })
        {
            try
            {
                File.Delete(path);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Somebody else's registry, or already gone: the next look finds the same.
            }
        }
    }

    /// <summary>The record as it is now; null if it is gone.</summary>
    public MountRecord? Read(string id) => ReadRecord(RecordPath(id));

    /// <summary>The last line the serving process said on stderr; null if it said nothing.</summary>
    public string? LastLogLine(string id)
    {
        try
        {
            return File.ReadLines(LogPath(id)).LastOrDefault(line => !string.IsNullOrWhiteSpace(line));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static void MakeFolder(string folder)
    {
        if (OperatingSystem.IsWindows())
        {
            System.IO.Directory.CreateDirectory(folder);
            return;
        }
        // Everybody may list root's mounts; a user's own are his.
        UnixFileMode mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        if (CurrentUser.IsRoot)
        {
            mode |= UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
        }
        System.IO.Directory.CreateDirectory(folder, mode);
        if (FileStatus.Of(folder) is not { IsDirectory: true, IsOwnAndPrivate: true })
        {
            throw new MountException(MountError.Denied, $"cannot use {folder}", "it belongs to somebody else or others can write to it",
                "Remove it, or set XDG_RUNTIME_DIR to a folder of your own.");
        }
    }

    private List<KnownMount> List()
    {
        var list = new List<KnownMount>();
        IReadOnlyList<MountEntry>? table = null;
        foreach (string path in RecordFiles())
        {
            if (ReadRecord(path) is not { } record)
            {
                continue;
            }
            table ??= MountTable.Read();
            bool alive = record.Process.IsAlive;
            // Windows takes a drive away with the process that serves it.
            bool mounted = OperatingSystem.IsWindows() ? alive : IsMounted(record, table) || (alive && IsMounted(record, TableOf(record.Pid)));
            if (alive || mounted)
            {
                list.Add(new KnownMount(record, !alive ? MountState.Dead : mounted ? MountState.Mounted : MountState.Closing, this));
            }
            else
            {
                Remove(record.Id);
            }
        }
        return list;
    }

    private static bool IsMounted(MountRecord record, IReadOnlyList<MountEntry> table) =>
        table.Any(e => e.Directory == record.Directory && e.FileSystem == record.FileSystem && e.Source == record.Device);

    // A mount made in a mount namespace of its own is in its server's table only.
    private static IReadOnlyList<MountEntry> TableOf(int pid)
    {
        try
        {
            return MountTable.Read($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/mountinfo");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private string[] RecordFiles()
    {
        try
        {
            return System.IO.Directory.Exists(Folder) ? System.IO.Directory.GetFiles(Folder, "*.json") : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static MountRecord? ReadRecord(string path)
    {
        try
        {
            using FileStream stream = File.OpenRead(path);
            return JsonSerializer.Deserialize(stream, RegistryJson.Default.MountRecord);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }

    private string RecordPath(string id) => Path.Combine(Folder, id + ".json");

    private static string OwnFolder()
    {
        if (OperatingSystem.IsWindows())
        {
            return Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData), "WinLoop", "mounts");
        }
        if (CurrentUser.IsRoot)
        {
            return RootFolder;
        }
        string? runtime = Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR");
        return string.IsNullOrEmpty(runtime) ? $"/tmp/winloop-{CurrentUser.Uid}" : Path.Combine(runtime, "winloop");
    }

    private static IEnumerable<string> VisibleFolders() =>
        CurrentUser.IsRoot || OperatingSystem.IsWindows() ? [OwnFolder()] : [OwnFolder(), RootFolder];
}
