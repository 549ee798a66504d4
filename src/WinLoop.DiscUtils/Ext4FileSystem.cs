using System.Buffers.Binary;
using DiscUtils;
using DiscUtils.Streams;
using WinLoop.Ext4;
using WinLoop.Storage;

namespace WinLoop.DiscUtils;

/// <summary>
/// An ext2, ext3 or ext4 volume as a file system of DiscUtils, read and written through WinLoop's engine: the journal is
/// replayed when it is opened, every change goes through it, and checksums are verified and kept.
/// </summary>
/// <remarks>
/// Paths have <c>\</c> or <c>/</c> between their names, which are told apart by case. What Windows forbids in a name is
/// U+F000 plus the byte, so every name on disk has a path. Symbolic links on the way are followed; the last one is
/// followed to open, measure, copy or test a file, and never to delete, move, list or describe it. Permissions are not
/// checked. All members may be called from several threads; a stream that was opened belongs to one thread at a time.
/// <para>Errors are <see cref="FileNotFoundException"/>, <see cref="DirectoryNotFoundException"/>,
/// <see cref="UnauthorizedAccessException"/> (a read-only volume, an immutable file, a directory where a file is meant),
/// <see cref="NotSupportedException"/> (the volume lacks the feature) and <see cref="IOException"/> (everything else,
/// damage and failing devices included).</para>
/// </remarks>
public sealed partial class Ext4FileSystem : DiscFileSystem, IUnixFileSystem
{
    private const string NoBarrier = "nobody has said how writes to the stream become durable (Ext4FileSystemOptions.Barrier)";

    private readonly Ext4Volume _volume;
    private readonly PathWalker _walker;
    private readonly Ext4FileSystemOptions _options;
    private readonly Stream? _stream;
    private readonly string? _streamReason;
    private readonly HashSet<Ext4FileStream> _open = [];
    private bool _isDisposed;

    /// <summary>Opens the volume that fills a stream.</summary>
    /// <param name="stream">Seekable; nobody else may use it meanwhile.</param>
    /// <param name="options">How. By default it is writable if the stream is a file, memory, or one of WinLoop's; see
    /// <see cref="Ext4FileSystemOptions.Barrier"/> for all others.</param>
    /// <exception cref="ArgumentException">The stream cannot be read or cannot seek.</exception>
    /// <exception cref="IOException">No ext volume, one with a feature that is not supported (the message names it), a
    /// damaged one, or the stream failed. An owned stream is disposed.</exception>
    public Ext4FileSystem(Stream stream, Ext4FileSystemOptions? options = null)
        : this(DeviceOf(stream, options ??= new(), out string? reason), options, stream, reason)
    {
    }

    /// <summary>Opens the volume that fills a device.</summary>
    /// <param name="device">The file system disposes it, also if this fails.</param>
    /// <param name="options">How.</param>
    /// <exception cref="IOException">As with a stream.</exception>
    public Ext4FileSystem(IBlockDevice device, Ext4FileSystemOptions? options = null)
        : this(device, options ?? new(), null, null)
    {
    }

    private Ext4FileSystem(IBlockDevice device, Ext4FileSystemOptions options, Stream? stream, string? reason)
    {
        _options = options;
        _stream = stream;
        _streamReason = reason;
        _volume = Ext4Volume.Mount(device, options.Mount with { IsReadOnly = options.IsReadOnly });
        _walker = new PathWalker(_volume);
    }

    /// <summary>The engine below, for what paths cannot say: hard and symbolic links, owners, extended attributes.</summary>
    public Ext4Volume Volume => _volume;

    /// <summary>Why nothing can be written although that was not asked for; null if it can.</summary>
    public string? ReadOnlyReason => _options.IsReadOnly || !_volume.IsReadOnly ? null : _streamReason ?? _volume.ReadOnlyReason;

    /// <inheritdoc/>
    public override string FriendlyName => "ext4 (WinLoop)";

    /// <inheritdoc/>
    public override bool CanWrite => !_volume.IsReadOnly;

    /// <summary>True: the engine has locks of its own.</summary>
    public override bool IsThreadSafe => true;

    /// <summary>The stream that the volume was opened from; null if it was a device.</summary>
    public override Stream? RawStream => _stream;

    /// <inheritdoc/>
    public override string VolumeLabel => _volume.Label;

    /// <summary>The first four bytes of the volume's UUID.</summary>
    public override uint VolumeId => BinaryPrimitives.ReadUInt32BigEndian(_volume.Superblock.Uuid);

    /// <summary>Bytes without the file system's own overhead.</summary>
    public override long Size => Bytes(Statistics.Blocks);

    /// <inheritdoc/>
    public override long UsedSpace
    {
        get
        {
            VolumeStatistics now = Statistics;
            return Bytes(now.Blocks - Math.Min(now.Blocks, now.FreeBlocks));
        }
    }

    /// <summary>Bytes that <see cref="Ext4FileSystemOptions.Caller"/> may fill: the reserved blocks count for user 0 only.</summary>
    public override long AvailableSpace
    {
        get
        {
            VolumeStatistics now = Statistics;
            return Bytes(_options.Caller.Uid == 0 ? now.FreeBlocks : now.AvailableBlocks);
        }
    }

    /// <summary>Makes everything durable that was done so far.</summary>
    /// <exception cref="IOException">It cannot be; nothing more is written.</exception>
    public void Flush()
    {
        RequireOpen();
        try
        {
            _volume.Synchronize();
        }
        catch (Ext4Exception e)
        {
            throw FailureMap.Explain(e, "\\", ReadOnlyReason);
        }
    }

    /// <summary>Closes the streams that are still open and unmounts: the volume is clean afterwards.</summary>
    /// <remarks>Without it (a finalizer does nothing) the volume is as after a power loss: whole, after a replay of its
    /// journal, and without the last seconds. No other call may be under way.</remarks>
    /// <exception cref="IOException">What was not yet durable could not be made so; everything is closed all the same.</exception>
    protected override void Dispose(bool disposing)
    {
        try
        {
            if (disposing && !Interlocked.Exchange(ref _isDisposed, true))
            {
                Unmount();
            }
        }
        finally
        {
            base.Dispose(disposing);
        }
    }

    private void Unmount()
    {
        try
        {
            Ext4FileStream[] open;
            lock (_open)
            {
                open = [.. _open];
            }
            foreach (Ext4FileStream stream in open)
            {
                stream.Dispose();
            }
        }
        finally
        {
            _volume.Dispose();
        }
    }

    internal void Register(Ext4FileStream stream)
    {
        lock (_open)
        {
            _open.Add(stream);
        }
    }

    internal void Unregister(Ext4FileStream stream)
    {
        lock (_open)
        {
            _open.Remove(stream);
        }
    }

    internal void RequireOpen() => ObjectDisposedException.ThrowIf(_isDisposed, this);

    private VolumeStatistics Statistics
    {
        get
        {
            RequireOpen();
            return _volume.GetStatistics();
        }
    }

    private long Bytes(ulong blocks) => (long)Math.Min(blocks, (ulong)(long.MaxValue / _volume.Geometry.BlockSize)) * _volume.Geometry.BlockSize;

    private static StreamDevice DeviceOf(Stream stream, Ext4FileSystemOptions options, out string? reason)
    {
        ArgumentNullException.ThrowIfNull(stream);
        Action? barrier = options.IsReadOnly || !stream.CanWrite ? null : options.Barrier ?? StreamBarrier.Find(stream);
        reason = options.IsReadOnly || barrier is not null ? null : stream.CanWrite ? NoBarrier : "the stream cannot be written";
        try
        {
            return new StreamDevice(stream, options.Ownership, barrier);
        }
        catch (BlockDeviceException) when (options.Ownership == Ownership.Dispose)
        {
            stream.Dispose();
            throw;
        }
    }

    // ---- paths

    private Place Walk(string path, bool followLast)
    {
        RequireOpen();
        try
        {
            return _walker.Walk(path, followLast);
        }
        catch (Ext4Exception e)
        {
            throw FailureMap.Explain(e, path, ReadOnlyReason);
        }
    }

    // The place of a path that leads somewhere, whether or not something is there.
    private Place WalkTo(string path, bool followLast)
    {
        Place place = Walk(path, followLast);
        return place.Problem switch
        {
            PlaceProblem.None => place,
            PlaceProblem.BadName => throw FailureMap.BadName(path, place.Component),
            PlaceProblem.TooManyLinks => throw new IOException($"'{path}': too many symbolic links, one of them '{place.Component}'."),
            PlaceProblem.NotADirectory => throw new DirectoryNotFoundException($"'{path}': what is before '{place.Component}' is not a directory."),
            _ => throw FailureMap.MissingDirectory(path),
        };
    }

    // The place of something that is there.
    private Place Find(string path, bool followLast)
    {
        Place place = WalkTo(path, followLast);
        if (!place.Exists)
        {
            place.Dispose();
            throw FailureMap.MissingFile(path);
        }
        return place;
    }

    private Place FindDirectory(string path)
    {
        Place place = WalkTo(path, followLast: true);
        if (place.Inode is not { IsDirectory: true })
        {
            bool exists = place.Exists;
            place.Dispose();
            throw exists ? new DirectoryNotFoundException($"'{path}' is not a directory.") : FailureMap.MissingDirectory(path);
        }
        return place;
    }

    private void RequireWritable(string path)
    {
        RequireOpen();
        if (_volume.IsReadOnly)
        {
            string reason = _options.IsReadOnly ? "it was opened so" : ReadOnlyReason ?? "nothing more is known";
            throw new UnauthorizedAccessException($"'{path}': the volume is read-only: {reason}.");
        }
    }
}
