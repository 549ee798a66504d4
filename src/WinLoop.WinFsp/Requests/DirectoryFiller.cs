using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Binding.Abi;

namespace WinLoop.WinFsp.Requests;

/// <summary>Packs entries of a listing as FspFileSystemAddDirInfo does: each one 8-aligned, two zero bytes at the end.</summary>
internal sealed unsafe class DirectoryFiller
{
    private byte* _buffer;
    private int _capacity;

    public DirectoryFiller() => Sink = Add;

    /// <summary>Made once, so that a listing allocates nothing.</summary>
    public WindowsDirectorySink Sink { get; }

    /// <summary>Bytes filled.</summary>
    public int Used { get; private set; }

    public void Start(byte* buffer, int capacity)
    {
        _buffer = buffer;
        _capacity = capacity;
        Used = 0;
    }

    /// <summary>Marks the end of the directory. Where that has no room, the next request finds nothing but the end.</summary>
    public void End()
    {
        if (_capacity - Used >= sizeof(ushort))
        {
            *(ushort*)(_buffer + Used) = 0;
            Used += sizeof(ushort);
        }
    }

    private bool Add(ReadOnlySpan<char> name, in WindowsFileInfo info)
    {
        if (name.Length > DirInfo.MaxName)
        {
            return true; // has no form here; the file system never gives such a name
        }
        int size = DirInfo.HeaderSize + (name.Length * sizeof(char));
        int aligned = (size + 7) & ~7;
        if (aligned > _capacity - Used)
        {
            return false;
        }
        byte* entry = _buffer + Used;
        Write((DirInfo*)entry, name, info);
        new Span<byte>(entry + size, aligned - size).Clear();
        Used += aligned;
        return true;
    }

    /// <summary>Writes one entry; the caller has made sure of the room.</summary>
    public static void Write(DirInfo* entry, ReadOnlySpan<char> name, in WindowsFileInfo info)
    {
        *entry = new DirInfo { Size = (ushort)(DirInfo.HeaderSize + (name.Length * sizeof(char))), Info = info };
        name.CopyTo(new Span<char>((byte*)entry + DirInfo.HeaderSize, name.Length));
    }
}
