using System.Runtime.InteropServices;
using WinLoop.Mounting.Linux;
using WinLoop.Storage;

namespace WinLoop.Mounting;

/// <summary>A file under another name until it is whole: afterwards the target is the new file, or what it was.</summary>
internal sealed class FileDraft : IDisposable
{
    private readonly string _target;
    private readonly bool _replaces;
    private readonly PosixSignalRegistration _interrupt;
    private readonly PosixSignalRegistration _terminate;
    private bool _isDone;

    /// <summary>Makes an empty file beside the target. SIGINT and SIGTERM delete it and end the process.</summary>
    /// <param name="target">From <see cref="CheckTarget"/>.</param>
    /// <param name="replaces">Replace a file that exists.</param>
    /// <exception cref="IOException">The file cannot be made.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be made.</exception>
    internal FileDraft(string target, bool replaces)
    {
        _target = target;
        _replaces = replaces;
        Path = System.IO.Path.Combine(System.IO.Path.GetDirectoryName(target)!, $".{System.IO.Path.GetFileName(target)}.{Guid.NewGuid():N}.new");
        _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, GiveUp);
        _terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, GiveUp);
        try
        {
            new FileStream(Path, FileMode.CreateNew, FileAccess.ReadWrite).Dispose();
        }
        catch
        {
            _interrupt.Dispose();
            _terminate.Dispose();
            throw;
        }
    }

    /// <summary>The name it has until then.</summary>
    internal string Path { get; }

    /// <summary>The full path of a file that is to be made.</summary>
    /// <exception cref="MountException">It cannot be made there, or it exists and is not to be replaced, or is in use.</exception>
    internal static string CheckTarget(string path, bool replaces, string what)
    {
        string target = HostPath.Resolve(path);
        if (!System.IO.Directory.Exists(System.IO.Path.GetDirectoryName(target)))
        {
            throw new MountException(MountError.NotFound, what, $"there is no directory {System.IO.Path.GetDirectoryName(target)}", "Make it first.");
        }
        if (System.IO.Directory.Exists(target))
        {
            throw new MountException(MountError.Usage, what, "it is a directory", "Give the name of a file to make.");
        }
        if (!File.Exists(target))
        {
            return target;
        }
        if (!replaces)
        {
            throw new MountException(MountError.Failed, what, "the file exists", "Replace it with --force, or give another name.");
        }
        if (OperatingSystem.IsLinux() && FileStatus.Of(target) is not { IsRegularFile: true })
        {
            throw new MountException(MountError.Unsupported, what, "it is not a regular file", "Give the name of a file to make.");
        }
        RequireUnused(target, what);
        return target;
    }

    /// <summary>The draft, which is closed and durable, becomes the target.</summary>
    internal void Finish()
    {
        File.Move(Path, _target, overwrite: _replaces);
        _isDone = true;
    }

    /// <summary>The same failure, told of the target: nobody knows the draft's name.</summary>
    internal BlockDeviceException Rename(BlockDeviceException e) => new(e.Error, e.Message.Replace(Path, _target, StringComparison.Ordinal), e);

    /// <summary>Deletes it if it is not finished.</summary>
    public void Dispose()
    {
        _interrupt.Dispose();
        _terminate.Dispose();
        if (!_isDone)
        {
            File.Delete(Path);
        }
    }

    // Replacing a mounted image would leave the mount with a file that has no name.
    private static void RequireUnused(string target, string what)
    {
        try
        {
            LoopDevice.Open(target).Dispose();
        }
        catch (BlockDeviceException e) when (e.Error == BlockDeviceError.Busy)
        {
            throw Failures.Explain(e, what);
        }
    }

    private void GiveUp(PosixSignalContext context)
    {
        context.Cancel = true;
        File.Delete(Path);
        Environment.Exit((int)MountError.Interrupted);
    }
}
