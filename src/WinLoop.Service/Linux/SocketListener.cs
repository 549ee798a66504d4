using System.Net.Sockets;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;
using WinLoop.Mounting;
using WinLoop.Mounting.Linux;
using WinLoop.Service.Mounts;
using WinLoop.Service.Protocol;
using WinLoop.Service.Server;

namespace WinLoop.Service.Linux;

/// <summary>The Unix socket of a service. Everybody may connect; what he may do, the kernel's word on who he is decides.</summary>
[UnsupportedOSPlatform("windows")]
internal sealed class SocketListener : ServiceListener
{
    private const int Backlog = 64;
    private const UnixFileMode Folder = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute |
        UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
    private const UnixFileMode Everybody = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite |
        UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    private readonly FileStream _lock;
    private readonly Socket _socket;
    private readonly string _path;
    private volatile bool _isClosed;

    private SocketListener(string path, FileStream @lock, Socket socket) => (_path, _lock, _socket) = (path, @lock, socket);

    /// <summary>Makes the socket; there is one service at a place.</summary>
    /// <exception cref="MountException">Another service is there, or the folder is not safe.</exception>
    internal static SocketListener Open(string path)
    {
        const string what = "cannot start the service";
        string folder = Path.GetDirectoryName(path)!;
        try
        {
            Directory.CreateDirectory(folder, CurrentUser.IsRoot ? Folder : UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            if (FileStatus.Of(folder) is not { IsDirectory: true, IsOwnAndPrivate: true })
            {
                throw new MountException(MountError.Denied, what, $"{folder} belongs to somebody else or others can write to it", "Remove it.");
            }
            FileStream held = Lock(path + ".lock", what);
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                // Left over: whoever served here holds the lock no more.
                File.Delete(path);
                socket.Bind(new UnixDomainSocketEndPoint(path));
                File.SetUnixFileMode(path, Everybody);
                socket.Listen(Backlog);
                return new SocketListener(path, held, socket);
            }
            catch
            {
                socket.Dispose();
                held.Dispose();
                throw;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or SocketException or ArgumentException)
        {
            throw new MountException(e is UnauthorizedAccessException ? MountError.Denied : MountError.Failed, what, e.Message.TrimEnd('.'), null, e);
        }
    }

    /// <inheritdoc/>
    internal override ClientConnection? Accept()
    {
        try
        {
            Socket client = _socket.Accept();
            try
            {
                return new SocketConnection(new SocketChannel(client));
            }
            catch
            {
                client.Dispose();
                throw;
            }
        }
        catch (Exception e) when (_isClosed && e is SocketException or ObjectDisposedException)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        if (_isClosed)
        {
            return;
        }
        _isClosed = true;
        try
        {
            File.Delete(_path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The next service deletes it.
        }
        _socket.Dispose();
        _lock.Dispose();
    }

    private static FileStream Lock(string path, string what)
    {
        try
        {
            return new FileStream(path, new FileStreamOptions
            {
                Mode = FileMode.OpenOrCreate,
                Access = FileAccess.ReadWrite,
                Share = FileShare.None,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            });
        }
        catch (IOException e)
        {
            throw new MountException(MountError.Busy, what, "a service runs here already", "'winloop service status' tells of it.", e);
        }
    }
}

/// <summary>A client of the Unix socket: the kernel says who it is, and its image comes as a descriptor.</summary>
internal sealed class SocketConnection(SocketChannel channel) : ClientConnection
{
    private readonly ServiceUser _user = ServiceUser.OfLinux(channel.Peer.Uid, channel.Peer.Gid, CurrentUser.Uid);
    private List<SafeFileHandle> _descriptors = [];

    /// <inheritdoc/>
    internal override Channel Channel => channel;

    /// <inheritdoc/>
    internal override string CountsFor => _user.Id;

    /// <inheritdoc/>
    internal override ServiceUser Identify() => _user;

    /// <inheritdoc/>
    internal override ImageHandle OpenImage(MountOrder order, string what)
    {
        _descriptors = channel.TakeDescriptors();
        if (_descriptors.Count == 0)
        {
            throw new MountException(MountError.Usage, what, "the image did not come with the request");
        }
        SafeFileHandle file = _descriptors[0];
        _descriptors.RemoveAt(0);
        try
        {
            if (!LinuxFiles.StatusOf(file).IsImage)
            {
                throw new MountException(MountError.Usage, what, "it is neither a file nor a block device", "Give an image file.");
            }
            string path = LinuxFiles.NameOf(file) ?? throw new MountException(MountError.Usage, what, "it has no name");
            bool isReadOnly = !LinuxFiles.IsWritable(file);
            return new ImageHandle(file, path, isReadOnly, isReadOnly ? "no permission to write the image, or a read-only medium" : null);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    internal override MountTarget FindTarget(MountOrder order, ServiceUser user, string image)
    {
        if (!CurrentUser.IsRoot)
        {
            // The user's own service: nobody to protect from, and fusermount3 takes a path.
            return new MountTarget(MountPoint.Prepare(order.Directory, image), null, null);
        }
        if (order.Directory is null)
        {
            return PinnedDirectory.Make(image);
        }
        return _descriptors.Count > 0
            ? PinnedDirectory.Pin(_descriptors[0], user)
            : throw new MountException(MountError.Usage, $"cannot mount on {order.Directory}", "the directory did not come with the request");
    }

    /// <inheritdoc/>
    internal override void EndRequest()
    {
        _descriptors.ForEach(d => d.Dispose());
        _descriptors.Clear();
        channel.TakeDescriptors().ForEach(d => d.Dispose());
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        EndRequest();
        channel.Dispose();
    }
}
