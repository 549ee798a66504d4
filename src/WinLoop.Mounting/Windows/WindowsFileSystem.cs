using WinLoop.Ext4;
using WinLoop.Mounting.Windows.Names;

namespace WinLoop.Mounting.Windows;

/// <summary>
/// What an ext4 volume means on Windows, free of any binding: one method per callback of a host. Paths are absolute,
/// UTF-16, with <c>\</c>, and may end with <c>:stream</c>. All members may be called from several threads at once.
/// </summary>
/// <remarks>
/// A method returns the status for what callers must expect (not found, collision, end of file, buffer too small, ...)
/// and throws the engine's exceptions for the rest; <see cref="StatusMap.FromException"/> says their status.
/// <para>Locks: see <c>NameCache</c>. Reading and writing content takes none but the engine's.</para>
/// </remarks>
public sealed partial class WindowsFileSystem : IDisposable
{
    // Without --uid nobody has root's right to the reserved blocks.
    private const uint OrdinaryUser = 65534;

    private readonly Ext4Volume _volume;
    private readonly WindowsOptions _options;
    private readonly NameCache _names;
    private readonly OpenFileTable _open;
    // For what is written: who may use the reserved blocks.
    private readonly Caller _writer;
    private int _treeVersion;
    private int _isDisposed;

    /// <summary>Takes a mounted volume, which stays the caller's. Nobody else may change names on it meanwhile.</summary>
    public WindowsFileSystem(Ext4Volume volume, WindowsOptions options)
    {
        _volume = volume;
        _options = options;
        _writer = new Caller(options.Uid ?? OrdinaryUser, options.Gid ?? OrdinaryUser);
        _security = new SecurityCache(options);
        _open = new OpenFileTable(options.CaseSensitive);
        _names = new NameCache(volume, options);
        Facts = MakeFacts();
    }

    /// <summary>What is announced when the volume appears.</summary>
    public WindowsVolumeFacts Facts { get; }

    /// <summary>Files that are open now.</summary>
    public int OpenFiles => _open.Count;

    /// <summary>The processes that have files open, with how many, and one of the names. Process 0: not known.</summary>
    public IReadOnlyList<(uint ProcessId, int Files, string Example)> ListUsers()
    {
        char[] buffer = new char[32768];
        return [.. _open.Snapshot().GroupBy(f => f.ProcessId).Select(g =>
        {
            int length = g.First().CopyName(buffer);
            return (g.Key, g.Count(), length < 0 ? "" : new string(buffer, 0, length));
        })];
    }

    /// <summary>Names of the files that are open now.</summary>
    public IReadOnlyList<string> ListOpenFiles()
    {
        char[] buffer = new char[32768];
        var names = new List<string>();
        foreach (WindowsFile file in _open.Snapshot())
        {
            int length = file.CopyName(buffer);
            names.Add(length < 0 ? "(a name too long to show)" : new string(buffer, 0, length));
        }
        return names;
    }

    /// <summary>Finishes what is still open: deletes what was marked for it, gives references back. The volume stays.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0)
        {
            return;
        }
        Exception? failure = null;
        foreach (WindowsFile file in _open.Snapshot())
        {
            try
            {
                if (!file.IsCleanedUp)
                {
                    Cleanup(file, default, file.IsMarkedForDeletion ? CleanupFlags.Delete : CleanupFlags.None);
                }
                Close(file);
            }
            catch (Exception e) when (e is Ext4Exception or Ext4CorruptException or Storage.BlockDeviceException)
            {
                failure ??= e; // the others are finished all the same
            }
        }
        try
        {
            _names.Dispose();
        }
        catch (Exception e) when (failure is not null && e is Ext4Exception or Ext4CorruptException or Storage.BlockDeviceException)
        {
        }
        if (failure is not null)
        {
            throw failure;
        }
    }

    private bool IsReadOnly => _volume.IsReadOnly;

    /// <summary>A name of a directory or of a link came or went: what links lead to may have changed.</summary>
    private void TreeChanged() => Interlocked.Increment(ref _treeVersion);
}
