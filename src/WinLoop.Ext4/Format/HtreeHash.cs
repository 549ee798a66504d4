using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace WinLoop.Ext4.Format;

/// <summary>How the names of an htree are hashed (s_def_hash_version, dx_root_info.hash_version).</summary>
internal enum HtreeHashVersion : byte
{
    /// <summary>The first hash; unseeded, without a minor hash.</summary>
    Legacy = 0,
    /// <summary>A shortened MD4; what mke2fs chooses.</summary>
    HalfMd4 = 1,
    /// <summary>The tiny encryption algorithm as a hash.</summary>
    Tea = 2,
}

/// <summary>
/// The hash functions of directory indexes. One object per volume: the seed (s_hash_seed) and the
/// signedness of name bytes (s_flags) are the same for all its directories.
/// </summary>
internal sealed class HtreeHash
{
    // The largest hash would be the end marker of a 32-bit directory position.
    private const uint EndOfDirectory = 0xFFFFFFFE;
    private const uint Md4Round2 = 0x5A827999, Md4Round3 = 0x6ED9EBA1, TeaDelta = 0x9E3779B9;

    private readonly uint _a, _b, _c, _d;
    private readonly bool _isUnsigned;

    /// <param name="seed">s_hash_seed, 16 bytes; all zero stands for the built-in seed.</param>
    /// <param name="isUnsigned">True if name bytes above 0x7F count as positive (s_flags has 2).</param>
    public HtreeHash(ReadOnlySpan<byte> seed, bool isUnsigned)
    {
        _isUnsigned = isUnsigned;
        _a = BinaryPrimitives.ReadUInt32LittleEndian(seed);
        _b = BinaryPrimitives.ReadUInt32LittleEndian(seed[4..]);
        _c = BinaryPrimitives.ReadUInt32LittleEndian(seed[8..]);
        _d = BinaryPrimitives.ReadUInt32LittleEndian(seed[12..]);
        if ((_a | _b | _c | _d) == 0)
        {
            (_a, _b, _c, _d) = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476);
        }
    }

    /// <summary>The hash of a name (always even) and its minor hash.</summary>
    /// <param name="version">The function.</param>
    /// <param name="name">1..255 bytes.</param>
    /// <param name="minor">The second half; orders names of equal hash. 0 with <see cref="HtreeHashVersion.Legacy"/>.</param>
    public uint Compute(HtreeHashVersion version, ReadOnlySpan<byte> name, out uint minor)
    {
        uint hash = version switch
        {
            HtreeHashVersion.HalfMd4 => HalfMd4(name, out minor),
            HtreeHashVersion.Tea => Tea(name, out minor),
            _ => Legacy(name, out minor),
        };
        hash &= ~1u;
        return hash == EndOfDirectory ? EndOfDirectory - 2 : hash;
    }

    private uint Legacy(ReadOnlySpan<byte> name, out uint minor)
    {
        unchecked
        {
            uint h0 = 0x12A3FE2D, h1 = 0x37ABE8F9;
            foreach (byte b in name)
            {
                uint c = _isUnsigned ? b : (uint)(sbyte)b;
                uint h = h1 + (h0 ^ (c * 7152373));
                if ((h & 0x80000000) != 0)
                {
                    h -= 0x7FFFFFFF;
                }
                h1 = h0;
                h0 = h;
            }
            minor = 0;
            return h0 << 1;
        }
    }

    [SkipLocalsInit]
    private uint Tea(ReadOnlySpan<byte> name, out uint minor)
    {
        unchecked
        {
            Span<uint> x = stackalloc uint[4];
            uint s0 = _a, s1 = _b;
            while (!name.IsEmpty)
            {
                Words(name, x);
                uint b0 = s0, b1 = s1, sum = 0;
                for (int i = 0; i < 16; i++)
                {
                    sum += TeaDelta;
                    b0 += ((b1 << 4) + x[0]) ^ (b1 + sum) ^ ((b1 >> 5) + x[1]);
                    b1 += ((b0 << 4) + x[2]) ^ (b0 + sum) ^ ((b0 >> 5) + x[3]);
                }
                s0 += b0;
                s1 += b1;
                name = name[Math.Min(16, name.Length)..];
            }
            minor = s1;
            return s0;
        }
    }

    [SkipLocalsInit]
    private uint HalfMd4(ReadOnlySpan<byte> name, out uint minor)
    {
        unchecked
        {
            Span<uint> words = stackalloc uint[8];
            uint sa = _a, sb = _b, sc = _c, sd = _d;
            while (!name.IsEmpty)
            {
                Words(name, words);
                uint x0 = words[0], x1 = words[1], x2 = words[2], x3 = words[3];
                uint x4 = words[4], x5 = words[5], x6 = words[6], x7 = words[7];
                uint a = sa, b = sb, c = sc, d = sd;

                a = F(a, b, c, d, x0, 3);
                d = F(d, a, b, c, x1, 7);
                c = F(c, d, a, b, x2, 11);
                b = F(b, c, d, a, x3, 19);
                a = F(a, b, c, d, x4, 3);
                d = F(d, a, b, c, x5, 7);
                c = F(c, d, a, b, x6, 11);
                b = F(b, c, d, a, x7, 19);

                a = G(a, b, c, d, x1, 3);
                d = G(d, a, b, c, x3, 5);
                c = G(c, d, a, b, x5, 9);
                b = G(b, c, d, a, x7, 13);
                a = G(a, b, c, d, x0, 3);
                d = G(d, a, b, c, x2, 5);
                c = G(c, d, a, b, x4, 9);
                b = G(b, c, d, a, x6, 13);

                a = H(a, b, c, d, x3, 3);
                d = H(d, a, b, c, x7, 9);
                c = H(c, d, a, b, x2, 11);
                b = H(b, c, d, a, x6, 15);
                a = H(a, b, c, d, x1, 3);
                d = H(d, a, b, c, x5, 9);
                c = H(c, d, a, b, x0, 11);
                b = H(b, c, d, a, x4, 15);

                sa += a;
                sb += b;
                sc += c;
                sd += d;
                name = name[Math.Min(32, name.Length)..];
            }
            minor = sc;
            return sb;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint F(uint a, uint b, uint c, uint d, uint x, int shift) =>
        BitOperations.RotateLeft(unchecked(a + (d ^ (b & (c ^ d))) + x), shift);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint G(uint a, uint b, uint c, uint d, uint x, int shift) =>
        BitOperations.RotateLeft(unchecked(a + ((b & c) + ((b ^ c) & d)) + x + Md4Round2), shift);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint H(uint a, uint b, uint c, uint d, uint x, int shift) =>
        BitOperations.RotateLeft(unchecked(a + (b ^ c ^ d) + x + Md4Round3), shift);

    // Big-endian words of the next bytes; what is missing is filled with the count of bytes left in the name.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Words(ReadOnlySpan<byte> rest, Span<uint> words)
    {
        unchecked
        {
            uint pad = (uint)rest.Length * 0x01010101;
            int count = Math.Min(rest.Length, words.Length * 4);
            ref byte start = ref MemoryMarshal.GetReference(rest);
            int w = 0, at = 0;
            for (; at + 4 <= count; at += 4)
            {
                uint raw = Unsafe.ReadUnaligned<uint>(ref Unsafe.Add(ref start, at));
                words[w++] = _isUnsigned || (raw & 0x80808080) == 0
                    ? (BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(raw) : raw)
                    : SignedWord(rest.Slice(at, 4), 0);
            }
            if (w < words.Length)
            {
                words[w++] = at < count ? (_isUnsigned ? UnsignedWord(rest[at..count], pad) : SignedWord(rest[at..count], pad)) : pad;
                words[w..].Fill(pad);
            }
        }
    }

    private static uint SignedWord(ReadOnlySpan<byte> bytes, uint start)
    {
        uint v = start;
        foreach (byte b in bytes)
        {
            v = unchecked((uint)(sbyte)b + (v << 8));
        }
        return v;
    }

    private static uint UnsignedWord(ReadOnlySpan<byte> bytes, uint start)
    {
        uint v = start;
        foreach (byte b in bytes)
        {
            v = unchecked(b + (v << 8));
        }
        return v;
    }
}
