using System.Buffers.Binary;
using WinLoop.Mounting.Windows;

namespace WinLoop.WindowsTests.StandIn.Client;

/// <summary>One request to the stand-in: 104 bytes, then up to three blobs (protocol.c).</summary>
internal readonly ref struct Request
{
    public const int HeadSize = 104;

    public required StandInOperation Operation { get; init; }
    public uint Client { get; init; }
    public uint Volume { get; init; }
    public ulong Handle { get; init; }
    /// <summary>At most eight.</summary>
    public ReadOnlySpan<uint> Small { get; init; }
    /// <summary>At most four.</summary>
    public ReadOnlySpan<ulong> Large { get; init; }
    public ReadOnlySpan<byte> First { get; init; }
    public ReadOnlySpan<byte> Second { get; init; }
    public ReadOnlySpan<byte> Third { get; init; }

    public byte[] ToBytes()
    {
        int size = HeadSize + Padded(First.Length) + Padded(Second.Length) + Padded(Third.Length);
        byte[] bytes = new byte[size];
        Span<byte> head = bytes;
        BinaryPrimitives.WriteInt32LittleEndian(head, size);
        BinaryPrimitives.WriteUInt32LittleEndian(head[4..], (uint)Operation);
        BinaryPrimitives.WriteUInt32LittleEndian(head[8..], Client);
        BinaryPrimitives.WriteUInt32LittleEndian(head[12..], Volume);
        BinaryPrimitives.WriteUInt64LittleEndian(head[16..], Handle);
        for (int i = 0; i < Small.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(head[(24 + (4 * i))..], Small[i]);
        }
        for (int i = 0; i < Large.Length; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(head[(56 + (8 * i))..], Large[i]);
        }
        int at = HeadSize;
        at = Add(head, 88, at, First);
        at = Add(head, 92, at, Second);
        Add(head, 96, at, Third);
        return bytes;
    }

    private static int Padded(int length) => (length + 7) & ~7;

    private static int Add(Span<byte> bytes, int lengthAt, int at, ReadOnlySpan<byte> blob)
    {
        BinaryPrimitives.WriteInt32LittleEndian(bytes[lengthAt..], blob.Length);
        blob.CopyTo(bytes[at..]);
        return at + Padded(blob.Length);
    }
}

/// <summary>The answer to a request: 152 bytes, then a blob.</summary>
internal sealed class Answer
{
    public const int HeadSize = 152;

    public Answer(ReadOnlySpan<byte> bytes)
    {
        Status = (NtStatus)BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]);
        Handle = BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]);
        for (int i = 0; i < Small.Length; i++)
        {
            Small[i] = BinaryPrimitives.ReadUInt32LittleEndian(bytes[(16 + (4 * i))..]);
        }
        for (int i = 0; i < Large.Length; i++)
        {
            Large[i] = BinaryPrimitives.ReadUInt64LittleEndian(bytes[(40 + (8 * i))..]);
        }
        Info = System.Runtime.InteropServices.MemoryMarshal.Read<WindowsFileInfo>(bytes[72..]);
        Blob = bytes.Slice(HeadSize, BinaryPrimitives.ReadInt32LittleEndian(bytes[144..])).ToArray();
    }

    public NtStatus Status { get; }
    public ulong Handle { get; }
    public uint[] Small { get; } = new uint[6];
    public ulong[] Large { get; } = new ulong[4];
    public WindowsFileInfo Info { get; }
    public byte[] Blob { get; }

    /// <summary>Throws unless the status is a success.</summary>
    public Answer Succeeded(string what) => (uint)Status < 0x80000000 ? this : throw new NtStatusException(Status, what);
}
