using Microsoft.Win32.SafeHandles;
using WinLoop.Mounting;
using WinLoop.Mounting.Linux;
using WinLoop.Service.Mounts;

namespace WinLoop.Service.Linux;

/// <summary>
/// A mount point in a directory that is held open. Whoever owns a directory on the way can rename it and put a link in
/// its place; root that then mounts or unmounts by path does so to whatever the link leads to. The name in an open
/// directory is a mount point from then on, and the kernel lets nobody move that.
/// </summary>
internal sealed class PinnedDirectory : IDisposable
{
    private readonly SafeFileHandle _parent;

    private PinnedDirectory(SafeFileHandle parent, string path)
    {
        _parent = parent;
        Path = path;
        KernelPath = $"{LinuxFiles.PathOf(parent)}/{System.IO.Path.GetFileName(path)}";
    }

    /// <summary>Its path when it was opened.</summary>
    internal string Path { get; }

    /// <summary>Leads to it from this process, whatever has become of the path.</summary>
    internal string KernelPath { get; }

    /// <summary>Pins a directory that must be reached without links.</summary>
    /// <exception cref="MountException">Why not.</exception>
    internal static PinnedDirectory Open(string path, string what)
    {
        string? parent = System.IO.Path.GetDirectoryName(path);
        if (parent is null || System.IO.Path.GetFileName(path) is "" or "." or "..")
        {
            throw new MountException(MountError.Usage, what, "it is no place for a mount", "Give an existing directory, or none to have one made.");
        }
        SafeFileHandle handle = LinuxFiles.TryOpenStraight(parent, LinuxFiles.O_PATH | LinuxFiles.O_DIRECTORY, out int errno)
            ?? throw LinuxFiles.Explain(errno, what);
        return new PinnedDirectory(handle, path);
    }

    /// <summary>Checks and pins the directory that a client holds open.</summary>
    /// <param name="directory">Opened by the client.</param>
    /// <param name="user">The client.</param>
    /// <exception cref="MountException">It is not his, is taken, or moves.</exception>
    internal static MountTarget Pin(SafeFileHandle directory, ServiceUser user)
    {
        LinuxFiles.Status status = LinuxFiles.StatusOf(directory);
        string path = LinuxFiles.NameOf(directory) ?? "?";
        string what = $"cannot mount on {path}";
        if (!status.IsDirectory)
        {
            throw new MountException(MountError.Usage, what, "not a directory", "Give an existing directory, or none to have one made.");
        }
        if (user.Uid != 0 && status.Uid != user.Uid)
        {
            throw new MountException(MountError.Denied, what, "the directory belongs to another user",
                "Give a directory of your own, or none to have one made.");
        }
        if (MountTable.Find(path) is { IsFuse: true } mount)
        {
            throw new MountException(MountError.Busy, what, $"{mount.Source} is mounted there", "Undo that mount, or give another directory.");
        }
        PinnedDirectory pin = Open(path, what);
        try
        {
            using SafeFileHandle? again = LinuxFiles.TryOpen(pin.KernelPath, LinuxFiles.O_PATH | LinuxFiles.O_DIRECTORY, out int errno);
            if (again is null)
            {
                throw LinuxFiles.Explain(errno, what);
            }
            LinuxFiles.Status found = LinuxFiles.StatusOf(again);
            return (found.Inode, found.Device) == (status.Inode, status.Device)
                ? new MountTarget(new MountPoint(path, IsOwned: false), pin.KernelPath, pin)
                : throw new MountException(MountError.Failed, what, "the directory was moved", "Try again.");
        }
        catch
        {
            pin.Dispose();
            throw;
        }
    }

    /// <summary>Makes a directory named after the image in root's own, and pins it.</summary>
    internal static MountTarget Make(string image)
    {
        MountPoint made = MountPoint.Prepare(null, image);
        try
        {
            PinnedDirectory pin = Open(made.Path, $"cannot mount on {made.Path}");
            return new MountTarget(made, pin.KernelPath, pin);
        }
        catch
        {
            made.Release();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _parent.Dispose();
}
