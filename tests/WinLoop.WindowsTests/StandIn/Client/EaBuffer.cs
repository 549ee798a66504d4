using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace WinLoop.WindowsTests.StandIn.Client;

/// <summary>A list of FILE_FULL_EA_INFORMATION: u32 next, u8 flags, u8 name length, u16 value length, name, 0, value; each at a
/// multiple of 4.</summary>
internal sealed class EaBuffer
{
    private readonly List<byte> _bytes = [];
    private int _last = -1;

    /// <summary>Adds one; an empty value removes the attribute.</summary>
    public EaBuffer Add(string name, ReadOnlySpan<byte> value)
    {
        while (_bytes.Count % 4 != 0)
        {
            _bytes.Add(0);
        }
        if (_last >= 0)
        {
            BinaryPrimitives.WriteInt32LittleEndian(CollectionsMarshal.AsSpan(_bytes)[_last..], _bytes.Count - _last);
        }
        _last = _bytes.Count;
        _bytes.AddRange([0, 0, 0, 0, 0, (byte)name.Length, .. BitConverter.GetBytes((ushort)value.Length)]);
        _bytes.AddRange(Encoding.UTF8.GetBytes(name));
        _bytes.Add(0);
        _bytes.AddRange(value);
        return this;
    }

    /// <summary>Adds a number, as WSL's metadata are.</summary>
    public EaBuffer Add(string name, uint value) => Add(name, BitConverter.GetBytes(value));

    public byte[] ToArray() => [.. _bytes];

    /// <summary>Reads a list.</summary>
    public static IEnumerable<(string Name, byte[] Value)> Parse(byte[] list)
    {
        for (int at = 0; list.Length > 0;)
        {
            int next = BitConverter.ToInt32(list, at), name = list[at + 5], value = BitConverter.ToUInt16(list, at + 6);
            yield return (Encoding.UTF8.GetString(list, at + 8, name), list[(at + 9 + name)..(at + 9 + name + value)]);
            if (next == 0)
            {
                yield break;
            }
            at += next;
        }
    }
}
