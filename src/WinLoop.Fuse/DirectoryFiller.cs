using WinLoop.Ext4;
using WinLoop.Ext4.Format;
using WinLoop.Fuse.Protocol;

namespace WinLoop.Fuse;

/// <summary>Collects the entries of one READDIR or READDIRPLUS reply. One per thread, so that the delegate is
/// made once.</summary>
internal sealed unsafe class DirectoryFiller
{
    private readonly DirectoryEntrySink _sink;
    private DirentWriter _writer;

    public DirectoryFiller() => _sink = Add;

    /// <summary>Entries of the last reply.</summary>
    public int Count { get; private set; }

    /// <summary>Fills the buffer with entries from <paramref name="position"/> on and returns the bytes used.</summary>
    public int Fill(Ext4Volume volume, Inode directory, ulong position, byte* buffer, int capacity, bool plus)
    {
        Count = 0;
        _writer = new DirentWriter(buffer, capacity, plus);
        volume.ReadDirectory(directory, position, _sink);
        return _writer.Length;
    }

    private bool Add(ReadOnlySpan<byte> name, uint inode, DirectoryEntryType type, ulong next)
    {
        if (!_writer.TryAdd(name, inode, type, next))
        {
            return false;
        }
        Count++;
        return true;
    }
}
