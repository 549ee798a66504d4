using System.Buffers.Binary;
using System.Numerics;

namespace WinLoop.Images.Vhdx;

/// <summary>CRC-32C with the usual inversions; the field that holds it counts as zero.</summary>
internal static class Crc32C
{
    /// <summary>The register before the first byte.</summary>
    public const uint Initial = uint.MaxValue;

    /// <summary>The sum of a structure that has its checksum at bytes 4 to 7.</summary>
    public static uint OfStructure(ReadOnlySpan<byte> structure) => ~Append(AppendFirst(structure[..8]), structure[8..]);

    /// <summary>The register after the first eight bytes of a structure, of which the last four are the checksum.</summary>
    public static uint AppendFirst(ReadOnlySpan<byte> start) =>
        BitOperations.Crc32C(Initial, (ulong)BinaryPrimitives.ReadUInt32LittleEndian(start));

    /// <summary>Takes more bytes; a multiple of eight.</summary>
    public static uint Append(uint register, ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length >= 8)
        {
            register = BitOperations.Crc32C(register, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
            bytes = bytes[8..];
        }

        return register;
    }
}
