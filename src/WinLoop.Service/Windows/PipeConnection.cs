using System.IO.Pipes;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;
using WinLoop.Mounting;
using WinLoop.Mounting.Windows;
using WinLoop.Service.Mounts;
using WinLoop.Service.Protocol;
using WinLoop.Service.Server;

namespace WinLoop.Service.Windows;

/// <summary>A client of the named pipe. While it opens the client's image the thread is the client: Windows checks his
/// rights and not the service's.</summary>
[SupportedOSPlatform("windows")]
internal sealed class PipeConnection : ClientConnection
{
    private readonly PipeChannel _channel;
    private readonly SafePipeHandle _handle;

    internal PipeConnection(NamedPipeServerStream pipe)
    {
        _channel = new PipeChannel(pipe);
        _handle = pipe.SafePipeHandle;
        // For the limits only; who he is in earnest is known when he has said something.
        CountsFor = Win32.GetNamedPipeClientProcessId(_handle, out uint process) && Tokens.UserOfProcess(process) is { } user ? user : "unknown";
    }

    /// <inheritdoc/>
    internal override Channel Channel => _channel;

    /// <inheritdoc/>
    internal override string CountsFor { get; }

    /// <inheritdoc/>
    internal override ServiceUser Identify() => AsClient(Tokens.OfThread);

    /// <inheritdoc/>
    internal override ImageHandle OpenImage(MountOrder order, string what)
    {
        bool isReadOnly = MountOptionParser.Parse(order.Options ?? "", new MountOptions(), []).IsReadOnly;
        return ImageFiles.Open(order.Image, isReadOnly, what, AsClient);
    }

    /// <inheritdoc/>
    internal override MountTarget FindTarget(MountOrder order, ServiceUser user, string image) => PipeTargets.Find(order.Directory);

    /// <inheritdoc/>
    public override void Dispose() => _channel.Dispose();

    private T AsClient<T>(Func<T> action)
    {
        if (!Win32.ImpersonateNamedPipeClient(_handle))
        {
            throw Win32.Failure("acting in the client's name");
        }
        try
        {
            return action();
        }
        finally
        {
            if (!Win32.RevertToSelf())
            {
                // A thread of the service that stays somebody else must not do anything any more.
                Environment.FailFast("RevertToSelf failed");
            }
        }
    }
}

/// <summary>Mount points of the service: letters. A folder would be made by WinFsp with the service's rights.</summary>
[SupportedOSPlatform("windows")]
internal static class PipeTargets
{
    internal static MountTarget Find(string? directory) => directory is null || DriveMountPoint.IsLetter(directory)
        ? new MountTarget(new MountPoint(DriveMountPoint.Parse(directory, Path.Exists), IsOwned: false), null, null)
        : throw new MountException(MountError.Unsupported, $"cannot mount on {directory}", "the service mounts on letters only",
            "Without --service and --keep a process of yours mounts on the folder.");
}

/// <summary>Opens images so that the loop device can take the handle over.</summary>
[SupportedOSPlatform("windows")]
internal static unsafe class ImageFiles
{
    private const int MaxPath = 32_768;

    /// <summary>Opens an image in somebody's name; for writing if he may.</summary>
    internal static ImageHandle Open(string path, bool isReadOnly, string what, Func<Func<(nint Handle, int Error)>, (nint Handle, int Error)> inNameOf)
    {
        string? reason = null;
        (nint handle, int error) = isReadOnly ? (-1, 0) : inNameOf(() => TryOpen(path, isWritable: true, flags: 0));
        if (handle == -1 && (isReadOnly || error is Win32.AccessDenied or Win32.WriteProtect))
        {
            reason = isReadOnly ? null : "no permission to write the image, or a read-only medium";
            isReadOnly = true;
            (handle, error) = inNameOf(() => TryOpen(path, isWritable: false, flags: 0));
        }
        return handle != -1 ? Check(new SafeFileHandle(handle, ownsHandle: true), isReadOnly, reason, what) : throw Explain(error, what);
    }

    /// <summary>Opens a path whose last part is not followed if it is a link.</summary>
    internal static ImageHandle OpenStraight(string path, bool isWritable, string what)
    {
        (nint handle, int error) = TryOpen(path, isWritable, Win32.FlagOpenReparsePoint);
        ImageHandle file = handle != -1 ? Check(new SafeFileHandle(handle, ownsHandle: true), !isWritable, null, what) : throw Explain(error, what);
        if (!string.Equals(file.Path, path, StringComparison.OrdinalIgnoreCase))
        {
            file.Dispose();
            throw new MountException(MountError.Denied, what, "a link is on its path now", "Mount it again by its new path.");
        }
        return file;
    }

    private static (nint Handle, int Error) TryOpen(string path, bool isWritable, uint flags)
    {
        // The share mode is the lock: nobody else writes, and nobody reads what is being written.
        nint handle = Win32.CreateFile(path, Win32.GenericRead | (isWritable ? Win32.GenericWrite : 0), isWritable ? 0 : Win32.FileShareRead, 0,
            Win32.OpenExisting, Win32.FlagOverlapped | Win32.SqosIdentification | flags, 0);
        return (handle, handle == -1 ? Marshal.GetLastPInvokeError() : 0);
    }

    private static ImageHandle Check(SafeFileHandle file, bool isReadOnly, string? reason, string what)
    {
        if (Win32.GetFileType(file) != Win32.FileTypeDisk)
        {
            file.Dispose();
            throw new MountException(MountError.Usage, what, "it is no file", "Give an image file.");
        }
        char[] buffer = new char[MaxPath];
        fixed (char* start = buffer)
        {
            uint length = Win32.GetFinalPathName(file, start, MaxPath, 0);
            if (length is 0 or >= MaxPath)
            {
                file.Dispose();
                throw new MountException(MountError.Failed, what, "its path cannot be found out");
            }
            string path = new(start, 0, (int)length);
            path = path.StartsWith(@"\\?\UNC\", StringComparison.Ordinal) ? @"\\" + path[8..] : path.StartsWith(@"\\?\", StringComparison.Ordinal) ? path[4..] : path;
            return new ImageHandle(file, path, isReadOnly, reason);
        }
    }

    private static MountException Explain(int error, string what) => error switch
    {
        2 or 3 => new MountException(MountError.NotFound, what, "no such file or directory", "Check the path."),
        Win32.AccessDenied => new MountException(MountError.Denied, what, "permission denied", "Run it as a user who may."),
        Win32.SharingViolation => new MountException(MountError.Busy, what, "it is in use by another program", "'winloop list' shows what is mounted."),
        _ => new MountException(MountError.Failed, what, new System.ComponentModel.Win32Exception(error).Message.TrimEnd('.')),
    };
}
