using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace WinLoop.Ext4.Format;

/// <summary>
/// CRC-32C as ext4 and jbd2 use it: reflected Castagnoli polynomial, the register is seeded by the
/// caller and never inverted at the end. Chaining = passing the last result as the seed.
/// </summary>
internal static class Crc32C
{
    /// <summary>The seed that stands for "no seed": all ones.</summary>
    public const uint Initial = 0xFFFFFFFF;

    // Below this length one chain is as fast as three.
    private const int ThreeWayMinimum = 3 * LaneBytes;
    private const int LaneBytes = 336;

    // Operator tables: advance a register over LaneBytes zero bytes, one table per register byte.
    private static readonly uint[] s_shiftLane = BuildShiftTable(LaneBytes);

    /// <summary>Continues <paramref name="seed"/> over <paramref name="data"/>.</summary>
    public static uint Compute(uint seed, ReadOnlySpan<byte> data)
    {
        unchecked
        {
            uint crc = seed;
            while (data.Length >= ThreeWayMinimum)
            {
                crc = ThreeLanes(crc, ref MemoryMarshal.GetReference(data));
                data = data[ThreeWayMinimum..];
            }
            while (data.Length >= 8)
            {
                crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(data));
                data = data[8..];
            }
            foreach (byte b in data)
            {
                crc = BitOperations.Crc32C(crc, b);
            }
            return crc;
        }
    }

    /// <summary>Continues <paramref name="seed"/> over a little-endian 32-bit value.</summary>
    public static uint Compute(uint seed, uint value) => BitOperations.Crc32C(seed, value);

    /// <summary>Continues <paramref name="seed"/> over a little-endian 64-bit value.</summary>
    public static uint Compute(uint seed, ulong value) => BitOperations.Crc32C(seed, value);

    /// <summary>Continues <paramref name="seed"/> over <paramref name="count"/> zero bytes (at most 64).</summary>
    public static uint ComputeZeroes(uint seed, int count)
    {
        Span<byte> zeroes = stackalloc byte[64];
        zeroes.Clear();
        return Compute(seed, zeroes[..count]);
    }

    // The instruction has a latency of three cycles and a throughput of one: three independent chains
    // over three neighbouring lanes keep it busy; the lanes are then joined by shifting.
    private static uint ThreeLanes(uint crc, ref byte start)
    {
        uint a = crc, b = 0, c = 0;
        for (int i = 0; i < LaneBytes; i += 8)
        {
            a = BitOperations.Crc32C(a, Load(ref start, i));
            b = BitOperations.Crc32C(b, Load(ref start, LaneBytes + i));
            c = BitOperations.Crc32C(c, Load(ref start, (2 * LaneBytes) + i));
        }
        return ShiftLane(ShiftLane(a) ^ b) ^ c;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Load(ref byte start, int offset)
    {
        ulong v = Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref start, offset));
        return BitConverter.IsLittleEndian ? v : BinaryPrimitives.ReverseEndianness(v);
    }

    private static uint ShiftLane(uint crc)
    {
        uint[] t = s_shiftLane;
        return t[crc & 0xFF] ^ t[256 + ((crc >> 8) & 0xFF)] ^ t[512 + ((crc >> 16) & 0xFF)] ^ t[768 + (crc >> 24)];
    }

    private static uint[] BuildShiftTable(int bytes)
    {
        var table = new uint[1024];
        Span<uint> basis = stackalloc uint[32];
        for (int bit = 0; bit < 32; bit++)
        {
            uint crc = 1u << bit;
            for (int i = 0; i < bytes; i++)
            {
                crc = BitOperations.Crc32C(crc, (byte)0);
            }
            basis[bit] = crc;
        }
        for (int lane = 0; lane < 4; lane++)
        {
            for (int value = 0; value < 256; value++)
            {
                uint crc = 0;
                for (int bit = 0; bit < 8; bit++)
                {
                    if ((value >> bit & 1) != 0)
                    {
                        crc ^= basis[(lane * 8) + bit];
                    }
                }
                table[(lane * 256) + value] = crc;
            }
        }
        return table;
    }
}
