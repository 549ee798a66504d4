using DiscUtils;
using DiscUtils.Vfs;
using WinLoop.Ext4.Format;
using WinLoop.Storage;
using FileSystemInfo = DiscUtils.FileSystemInfo;

namespace WinLoop.DiscUtils;

/// <summary>Finds ext2, ext3 and ext4 by their content and opens them with <see cref="Ext4FileSystem"/>.</summary>
[VfsFileSystemFactory]
public sealed class Ext4FileSystemFactory : VfsFileSystemFactory
{
    private static int s_isRegistered;

    private readonly Ext4FileSystemOptions _options;

    /// <summary>A factory that opens with the default options.</summary>
    public Ext4FileSystemFactory() : this(new Ext4FileSystemOptions())
    {
    }

    /// <summary>A factory that opens with the given options.</summary>
    public Ext4FileSystemFactory(Ext4FileSystemOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
    }

    /// <summary>Registers this file system, once, with DiscUtils' <see cref="FileSystemManager"/>, and no other. If
    /// DiscUtils.Ext is registered too, every ext volume is found twice: the names are "ext" and "ext4 (WinLoop)".</summary>
    public static void Register()
    {
        if (Interlocked.Exchange(ref s_isRegistered, 1) == 0)
        {
            FileSystemManager.RegisterFileSystems(new Ext4FileSystemFactory());
        }
    }

    /// <summary>One answer if the superblock's magic is there, otherwise none. Whether the volume can be opened, opening
    /// says.</summary>
    /// <param name="stream">The volume; its position is put back.</param>
    /// <param name="volumeInfo">Not looked at.</param>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    public override IEnumerable<FileSystemInfo> Detect(Stream stream, VolumeInfo? volumeInfo)
    {
        ArgumentNullException.ThrowIfNull(stream);
        long position = stream.Position;
        bool isExt;
        using (var device = new StreamDevice(stream))
        {
            isExt = SuperblockReader.HasMagic(device);
        }
        stream.Position = position;
        return isExt ? [new VfsFileSystemInfo("ext4 (WinLoop)", "ext2, ext3 or ext4, read and written by WinLoop", Open)] : [];
    }

    private Ext4FileSystem Open(Stream stream, VolumeInfo? volumeInfo, FileSystemParameters? parameters)
    {
        // The stream of a volume is opened for this file system alone, so nobody else would close it.
        Ext4FileSystemOptions options = volumeInfo is null ? _options : _options with { Ownership = global::DiscUtils.Streams.Ownership.Dispose };
        return new Ext4FileSystem(stream, options);
    }
}
