using System.Buffers.Binary;
using System.Text;

namespace WinLoop.Images.Vhdx;

/// <summary>How a differencing disk names its parent: pairs of a key and a value (MS-VHDX, 2.6.2.6).</summary>
internal sealed class ParentLocator
{
    /// <summary>The DataWriteGuid that the parent must have, in braces.</summary>
    public const string Linkage = "parent_linkage";

    /// <summary>Another DataWriteGuid that it may have.</summary>
    public const string Linkage2 = "parent_linkage2";

    /// <summary>Path of the parent, relative to the child.</summary>
    public const string RelativePath = "relative_path";

    /// <summary>Path of the parent that begins with a volume's name.</summary>
    public const string VolumePath = "volume_path";

    /// <summary>Absolute path of the parent.</summary>
    public const string AbsolutePath = "absolute_win32_path";

    private const int HeaderSize = 20;
    private const int EntrySize = 12;
    private const int MaxPairs = 64;

    private static readonly Guid s_vhdxType = new("B04AEFB7-D19E-4A81-B789-25B8E9445913");

    private readonly Dictionary<string, string> _values = new(StringComparer.Ordinal);

    /// <summary>The value of a key, or null.</summary>
    public string? this[string key]
    {
        get => _values.GetValueOrDefault(key);
        init => _values[key] = value ?? throw new ArgumentNullException(nameof(value));
    }

    /// <summary>Reads one.</summary>
    public static ParentLocator Parse(ReadOnlySpan<byte> bytes)
    {
        if (new Guid(bytes[..16]) is var type && type != s_vhdxType)
        {
            throw VhdxError.Unsupported($"a parent locator of the unknown kind {type}");
        }

        int count = BinaryPrimitives.ReadUInt16LittleEndian(bytes[18..]);
        if (count > MaxPairs || HeaderSize + (count * EntrySize) > bytes.Length)
        {
            throw VhdxError.Damaged($"the parent locator claims {count} entries");
        }

        var locator = new ParentLocator();
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> entry = bytes.Slice(HeaderSize + (i * EntrySize), EntrySize);
            string key = Text(bytes, entry, 0, 8), value = Text(bytes, entry, 4, 10);
            if (!locator._values.TryAdd(key, value))
            {
                throw VhdxError.Damaged("the parent locator has a key twice");
            }
        }

        return locator;
    }

    /// <summary>The item's content.</summary>
    public byte[] ToBytes()
    {
        int end = HeaderSize + (_values.Count * EntrySize), at = HeaderSize;
        byte[] bytes = new byte[end + _values.Sum(pair => 2 * (pair.Key.Length + pair.Value.Length))];
        s_vhdxType.TryWriteBytes(bytes);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(18), (ushort)_values.Count);
        foreach ((string key, string value) in _values)
        {
            Span<byte> entry = bytes.AsSpan(at, EntrySize);
            BinaryPrimitives.WriteInt32LittleEndian(entry, end);
            BinaryPrimitives.WriteUInt16LittleEndian(entry[8..], checked((ushort)(2 * key.Length)));
            end += Encoding.Unicode.GetBytes(key, bytes.AsSpan(end));
            BinaryPrimitives.WriteInt32LittleEndian(entry[4..], end);
            BinaryPrimitives.WriteUInt16LittleEndian(entry[10..], checked((ushort)(2 * value.Length)));
            end += Encoding.Unicode.GetBytes(value, bytes.AsSpan(end));
            at += EntrySize;
        }

        return bytes;
    }

    private static string Text(ReadOnlySpan<byte> bytes, ReadOnlySpan<byte> entry, int offsetAt, int lengthAt)
    {
        uint offset = BinaryPrimitives.ReadUInt32LittleEndian(entry[offsetAt..]);
        int length = BinaryPrimitives.ReadUInt16LittleEndian(entry[lengthAt..]);
        if (offset < HeaderSize || offset > bytes.Length || length > bytes.Length - (int)offset || length == 0 || length % 2 != 0)
        {
            throw VhdxError.Damaged($"the parent locator has a text of {length} bytes at {offset}");
        }

        return Encoding.Unicode.GetString(bytes.Slice((int)offset, length));
    }
}
