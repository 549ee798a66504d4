using WinLoop.Ext4.Format;
using WinLoop.Mounting.Windows;

namespace WinLoop.Mounting.Files;

/// <summary>A file of the host where it has no POSIX calls, that is on Windows: content, times, READONLY and symlinks. Names are
/// mapped as on a mounted drive (U+F000 and what follows for what Windows forbids).</summary>
internal sealed class PortableNode : FileNode
{
    private const ushort FilePermissions = 0x1A4, DirectoryPermissions = 0x1ED, WriteBits = 0x92;

    private readonly FileSystemInfo _info;
    private FileStream? _stream;

    private PortableNode(FileSystemInfo info) => _info = info;

    public override string Path => _info.FullName.StartsWith(@"\\?\", StringComparison.Ordinal) ? _info.FullName[4..] : _info.FullName;

    public override FileFacts Facts
    {
        get
        {
            _info.Refresh();
            bool isDirectory = (_info.Attributes & System.IO.FileAttributes.Directory) != 0;
            FileKind kind = _info.LinkTarget is not null ? FileKind.Symlink : isDirectory ? FileKind.Directory : FileKind.Regular;
            ushort permissions = isDirectory ? DirectoryPermissions : FilePermissions;
            if (!isDirectory && (_info.Attributes & System.IO.FileAttributes.ReadOnly) != 0)
            {
                permissions &= unchecked((ushort)~WriteBits);
            }
            return new FileFacts(kind, permissions, 0, 0, kind == FileKind.Regular ? ((FileInfo)_info).Length : 0, 1, 0, default,
                Time(_info.LastAccessTimeUtc), Time(_info.LastWriteTimeUtc));
        }
    }

    /// <summary>What a path names, links not followed; null if there is nothing.</summary>
    public static PortableNode? Open(string path)
    {
        // Beyond 260 characters, and for names like "aux", Windows wants to be told that the path is meant as it is.
        string full = System.IO.Path.GetFullPath(path);
        full = OperatingSystem.IsWindows() && full.Length > 2 && full[1] == ':' ? @"\\?\" + full : full;
        System.IO.FileAttributes attributes;
        try
        {
            attributes = File.GetAttributes(full);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        return new PortableNode((attributes & System.IO.FileAttributes.Directory) != 0 ? new DirectoryInfo(full) : new FileInfo(full));
    }

    public override IReadOnlyList<byte[]> List() => [.. ((DirectoryInfo)_info).EnumerateFileSystemInfos().Select(i => ToBytes(i.Name))];

    public override FileNode? Find(ReadOnlySpan<byte> name) => Open(Child(name));

    public override byte[] ReadLink() => System.Text.Encoding.UTF8.GetBytes((_info.LinkTarget ?? "").Replace('\\', '/'));

    public override int Read(Span<byte> buffer, long offset) => RandomAccess.Read(Stream(FileAccess.Read).SafeFileHandle, buffer, offset);

    public override long NextData(long offset) => offset;

    public override IReadOnlyList<(byte[] Name, byte[] Value)> GetAttributes() => [];

    public override FileNode CreateDirectory(ReadOnlySpan<byte> name) => new PortableNode(Directory.CreateDirectory(Child(name)));

    public override FileNode CreateFile(ReadOnlySpan<byte> name)
    {
        string path = Child(name);
        var stream = new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite);
        return new PortableNode(new FileInfo(path)) { _stream = stream };
    }

    public override FileNode CreateSymlink(ReadOnlySpan<byte> name, ReadOnlySpan<byte> target) =>
        new PortableNode(File.CreateSymbolicLink(Child(name), System.Text.Encoding.UTF8.GetString(target).Replace('/', System.IO.Path.DirectorySeparatorChar)));

    public override FileNode CreateSpecial(ReadOnlySpan<byte> name, FileKind kind, uint device) => throw NotHere("devices, FIFOs and sockets");

    public override void CreateLink(ReadOnlySpan<byte> name, FileNode existing) => throw NotHere("hard links");

    public override void Remove(ReadOnlySpan<byte> name) => File.Delete(Child(name));

    public override void Write(ReadOnlySpan<byte> data, long offset) => RandomAccess.Write(Stream(FileAccess.ReadWrite).SafeFileHandle, data, offset);

    public override void SetSize(long size) => Stream(FileAccess.ReadWrite).SetLength(size);

    public override void SetFacts(in FileFacts facts, bool setOwner)
    {
        // A handle that is open would set the times again when it is closed.
        _stream?.Dispose();
        _stream = null;
        _info.Refresh();
        if (_info.LinkTarget is not null)
        {
            return;
        }
        _info.LastAccessTimeUtc = Date(facts.Accessed);
        _info.LastWriteTimeUtc = Date(facts.Modified);
        if (_info is FileInfo file)
        {
            file.IsReadOnly = (facts.Permissions & WriteBits) == 0;
        }
    }

    public override void SetAttribute(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value) => throw NotHere("extended attributes");

    protected override void Dispose(bool isDisposing)
    {
        if (isDisposing)
        {
            _stream?.Dispose();
        }
    }

    private FileStream Stream(FileAccess access) => _stream ??= new FileStream(_info.FullName, FileMode.Open, access, FileShare.ReadWrite, 1);

    private string Child(ReadOnlySpan<byte> name)
    {
        Span<char> decoded = stackalloc char[name.Length];
        return System.IO.Path.Join(_info.FullName, decoded[..WindowsName.Decode(name, decoded)].ToString());
    }

    private byte[] ToBytes(string name)
    {
        byte[] bytes = new byte[WindowsName.MaxLength];
        int length = WindowsName.Encode(name, bytes);
        return length >= 0 ? bytes[..length] : throw new MountException(MountError.Unsupported, $"{Path}: {name}", "the name is longer than 255 bytes");
    }

    private MountException NotHere(string what) => new(MountError.Unsupported, Path, $"{what} cannot be made on this system");

    private static Timestamp Time(DateTime time)
    {
        long ticks = time.Ticks - DateTime.UnixEpoch.Ticks;
        long seconds = Math.DivRem(ticks, TimeSpan.TicksPerSecond, out long rest);
        return rest < 0 ? new Timestamp(seconds - 1, (uint)(rest + TimeSpan.TicksPerSecond) * 100) : new Timestamp(seconds, (uint)rest * 100);
    }

    // Windows' files have no times before 1601; ext4's end is within its range.
    private static DateTime Date(Timestamp time)
    {
        const long Earliest = -11_644_473_599;
        return DateTime.UnixEpoch.AddTicks((Math.Max(time.Seconds, Earliest) * TimeSpan.TicksPerSecond) + (time.Nanoseconds / 100));
    }
}
