using WinLoop.Ext4.Format;

namespace WinLoop.Mounting.Files;

/// <summary>What kind of file a node is; the values are the type bits of st_mode.</summary>
public enum FileKind
{
#pragma warning disable CS1591
    Fifo = 0x1000, CharDevice = 0x2000, Directory = 0x4000, BlockDevice = 0x6000, Regular = 0x8000, Symlink = 0xA000, Socket = 0xC000,
#pragma warning restore CS1591
}

/// <summary>What a file is like, as lstat(2) tells it.</summary>
/// <param name="Kind">Type.</param>
/// <param name="Permissions">The low 12 bits of st_mode.</param>
/// <param name="Uid">Owner.</param>
/// <param name="Gid">Group.</param>
/// <param name="Size">Bytes of content.</param>
/// <param name="Links">Names it has.</param>
/// <param name="Device">Numbers of a device file, in Linux's 32-bit form.</param>
/// <param name="Identity">Equal for two names of one file in the same tree.</param>
/// <param name="Accessed">Last read.</param>
/// <param name="Modified">Last write.</param>
public readonly record struct FileFacts(FileKind Kind, ushort Permissions, uint Uid, uint Gid, long Size, uint Links, uint Device,
    (ulong Device, ulong Inode) Identity, Timestamp Accessed, Timestamp Modified);

/// <summary>One file of a tree, on the host or in a volume. Names are bytes without '/'. What fails throws the exceptions of its
/// side, which <see cref="Failures.Explain"/> understands.</summary>
public abstract class FileNode : IDisposable
{
    /// <summary>Where it is, for messages.</summary>
    public abstract string Path { get; }

    /// <summary>What it is like now.</summary>
    public abstract FileFacts Facts { get; }

    /// <summary>The names in a directory, without "." and "..".</summary>
    public abstract IReadOnlyList<byte[]> List();

    /// <summary>A name in a directory, links not followed; null if there is none.</summary>
    public abstract FileNode? Find(ReadOnlySpan<byte> name);

    /// <summary>A symlink's target.</summary>
    public abstract byte[] ReadLink();

    /// <summary>Reads content; 0 at the end.</summary>
    public abstract int Read(Span<byte> buffer, long offset);

    /// <summary>Where data begins at or behind an offset; the size if only a hole follows.</summary>
    public abstract long NextData(long offset);

    /// <summary>Extended attributes with their prefixes; none where the host has none.</summary>
    public abstract IReadOnlyList<(byte[] Name, byte[] Value)> GetAttributes();

    /// <summary>Makes a directory in this one.</summary>
    public abstract FileNode CreateDirectory(ReadOnlySpan<byte> name);

    /// <summary>Makes an empty file in this directory; the name is free.</summary>
    public abstract FileNode CreateFile(ReadOnlySpan<byte> name);

    /// <summary>Makes a symlink in this directory.</summary>
    public abstract FileNode CreateSymlink(ReadOnlySpan<byte> name, ReadOnlySpan<byte> target);

    /// <summary>Makes a device, FIFO or socket in this directory.</summary>
    public abstract FileNode CreateSpecial(ReadOnlySpan<byte> name, FileKind kind, uint device);

    /// <summary>Gives a file of the same tree another name in this directory.</summary>
    public abstract void CreateLink(ReadOnlySpan<byte> name, FileNode existing);

    /// <summary>Removes a name that is no directory.</summary>
    public abstract void Remove(ReadOnlySpan<byte> name);

    /// <summary>Writes content.</summary>
    public abstract void Write(ReadOnlySpan<byte> data, long offset);

    /// <summary>Cuts the file, or extends it with a hole.</summary>
    public abstract void SetSize(long size);

    /// <summary>Sets permissions, times and, if told, the owner.</summary>
    public abstract void SetFacts(in FileFacts facts, bool setOwner);

    /// <summary>Sets an extended attribute.</summary>
    public abstract void SetAttribute(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(isDisposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Gives back what the node holds.</summary>
    protected virtual void Dispose(bool isDisposing)
    {
    }
}
