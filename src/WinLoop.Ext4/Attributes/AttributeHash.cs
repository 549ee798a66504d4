using System.Numerics;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Attributes;

/// <summary>e_hash and h_hash, by which blocks with the same attributes are found to be shared.</summary>
internal static class AttributeHash
{
    /// <summary>The hash of one attribute in a block; name bytes count as unsigned.</summary>
    public static uint OfEntry(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        uint hash = 0;
        foreach (byte c in name)
        {
            hash = BitOperations.RotateLeft(hash, 5) ^ c;
        }
        for (; value.Length >= 4; value = value[4..])
        {
            hash = BitOperations.RotateLeft(hash, 16) ^ ReadUInt32LittleEndian(value);
        }
        if (!value.IsEmpty)
        {
            Span<byte> word = stackalloc byte[4];
            word.Clear();
            value.CopyTo(word);
            hash = BitOperations.RotateLeft(hash, 16) ^ ReadUInt32LittleEndian(word);
        }
        return hash;
    }

    /// <summary>The hash of a block; 0 = not to be shared.</summary>
    public static uint OfBlock(AttributeArea area)
    {
        uint hash = 0;
        for (int at = area.First; area.TryRead(ref at, out AttributeEntry entry);)
        {
            if (entry.Hash == 0)
            {
                return 0;
            }
            hash = BitOperations.RotateLeft(hash, 16) ^ entry.Hash;
        }
        return hash;
    }
}
