using System.Buffers.Binary;

namespace WinLoop.Images.Vhdx;

/// <summary>One change that an entry of the log describes (MS-VHDX, 2.3.1.2 and 2.3.1.3).</summary>
/// <param name="IsZero">Zeroes over a range; otherwise one sector of data.</param>
/// <param name="FileOffset">First byte in the file, a multiple of the sector.</param>
/// <param name="Length">Bytes, a multiple of the sector.</param>
/// <param name="Sequence">The entry's.</param>
internal readonly record struct LogDescriptor(bool IsZero, ulong FileOffset, ulong Length, ulong Sequence)
{
    private const uint ZeroSignature = 0x6F72657A; // "zero"
    private const uint DataSignature = 0x63736564; // "desc"
    private const uint SectorSignature = 0x61746164; // "data"

    // A sector of data gives up its first eight bytes and its last four for a signature and the sequence number, so that a
    // sector that is not the entry's shows; the descriptor keeps them.
    private const int TrailingAt = 4;
    private const int LeadingAt = 8;
    private const int LeadingSize = 8;
    private const int TrailingSize = 4;
    private const int TrailingStart = VhdxLayout.Sector - TrailingSize;

    /// <summary>Reads one; false: it is none, or none that can be.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out LogDescriptor descriptor)
    {
        uint signature = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        bool isZero = signature == ZeroSignature;
        descriptor = new LogDescriptor(
            isZero,
            BinaryPrimitives.ReadUInt64LittleEndian(bytes[16..]),
            isZero ? BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]) : VhdxLayout.Sector,
            BinaryPrimitives.ReadUInt64LittleEndian(bytes[24..]));
        return (isZero || signature == DataSignature)
            && descriptor.FileOffset % VhdxLayout.Sector == 0 && descriptor.Length % VhdxLayout.Sector == 0;
    }

    /// <summary>Whether a sector is one of data of the entry with this number.</summary>
    public static bool IsDataSector(ReadOnlySpan<byte> sector, ulong sequence) =>
        BinaryPrimitives.ReadUInt32LittleEndian(sector) == SectorSignature
        && BinaryPrimitives.ReadUInt32LittleEndian(sector[4..]) == (uint)(sequence >> 32)
        && BinaryPrimitives.ReadUInt32LittleEndian(sector[TrailingStart..]) == (uint)sequence;

    /// <summary>Puts the content of a sector together.</summary>
    public static void Decode(ReadOnlySpan<byte> descriptor, ReadOnlySpan<byte> sector, Span<byte> content)
    {
        sector.CopyTo(content);
        descriptor.Slice(LeadingAt, LeadingSize).CopyTo(content);
        descriptor.Slice(TrailingAt, TrailingSize).CopyTo(content[TrailingStart..]);
    }

    /// <summary>Makes a data descriptor and its sector.</summary>
    public static void Encode(ReadOnlySpan<byte> content, long fileOffset, ulong sequence, Span<byte> descriptor, Span<byte> sector)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(descriptor, DataSignature);
        content[TrailingStart..].CopyTo(descriptor[TrailingAt..]);
        content[..LeadingSize].CopyTo(descriptor[LeadingAt..]);
        BinaryPrimitives.WriteInt64LittleEndian(descriptor[16..], fileOffset);
        BinaryPrimitives.WriteUInt64LittleEndian(descriptor[24..], sequence);
        content.CopyTo(sector);
        BinaryPrimitives.WriteUInt32LittleEndian(sector, SectorSignature);
        BinaryPrimitives.WriteUInt32LittleEndian(sector[4..], (uint)(sequence >> 32));
        BinaryPrimitives.WriteUInt32LittleEndian(sector[TrailingStart..], (uint)sequence);
    }
}
