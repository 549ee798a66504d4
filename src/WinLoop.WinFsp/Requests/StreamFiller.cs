using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Binding.Abi;

namespace WinLoop.WinFsp.Requests;

/// <summary>Packs streams as FspFileSystemAddStreamInfo does: each one 8-aligned, two zero bytes at the end.</summary>
internal sealed unsafe class StreamFiller
{
    private const int MaxName = 255;

    private byte* _buffer;
    private int _capacity;

    public StreamFiller() => Sink = Add;

    /// <summary>Made once, so that a listing allocates nothing.</summary>
    public WindowsStreamSink Sink { get; }

    /// <summary>Bytes filled.</summary>
    public int Used { get; private set; }

    /// <summary>A stream had no room: the list in the buffer is not complete.</summary>
    public bool IsFull { get; private set; }

    public void Start(byte* buffer, int capacity)
    {
        _buffer = buffer;
        _capacity = capacity;
        Used = 0;
        IsFull = false;
    }

    /// <summary>Marks the end of the list.</summary>
    public void End()
    {
        if (!IsFull && _capacity - Used >= sizeof(ushort))
        {
            *(ushort*)(_buffer + Used) = 0;
            Used += sizeof(ushort);
        }
    }

    private bool Add(ReadOnlySpan<char> name, ulong size, ulong allocationSize)
    {
        if (name.Length > MaxName)
        {
            return true; // has no form here; the file system never gives such a name
        }
        int length = StreamInfo.HeaderSize + (name.Length * sizeof(char));
        int aligned = (length + 7) & ~7;
        if (aligned > _capacity - Used)
        {
            IsFull = true;
            return false;
        }
        byte* entry = _buffer + Used;
        *(StreamInfo*)entry = new StreamInfo { Size = (ushort)length, StreamSize = size, StreamAllocationSize = allocationSize };
        name.CopyTo(new Span<char>(entry + StreamInfo.HeaderSize, name.Length));
        new Span<byte>(entry + length, aligned - length).Clear();
        Used += aligned;
        return true;
    }
}
