using System.Buffers.Binary;
using System.Text;

namespace WinLoop.Images.Qcow2;

/// <summary>The header extensions: type, length, data padded to 8 bytes, until type 0.</summary>
internal sealed record Qcow2Extensions
{
    /// <summary>Type of the name of the backing file's format.</summary>
    public const uint BackingFormatType = 0xE2792ACA;

    private const uint FeatureNamesType = 0x6803F857;
    private const uint BitmapsType = 0x23852875;
    private const int HeadSize = 8, FeatureSize = 48;

    /// <summary>There is none.</summary>
    public static readonly Qcow2Extensions None = new();

    /// <summary>The format of the backing file; null: not said.</summary>
    public string? BackingFormat { get; init; }

    /// <summary>There are dirty bitmaps, which a write makes invalid.</summary>
    public bool HasBitmaps { get; init; }

    /// <summary>There are extensions that are not known; they may own clusters.</summary>
    public bool HasUnknown { get; init; }

    /// <summary>Names of incompatible features, by bit.</summary>
    public IReadOnlyDictionary<int, string> IncompatibleNames { get; init; } = new Dictionary<int, string>();

    /// <summary>Reads what is between the header and the name of the backing file or the end of the cluster.</summary>
    public static Qcow2Extensions Read(ReadOnlySpan<byte> first, int start, int end)
    {
        Qcow2Extensions all = None;
        for (int at = start; at <= end - HeadSize;)
        {
            uint type = BinaryPrimitives.ReadUInt32BigEndian(first[at..]), length = BinaryPrimitives.ReadUInt32BigEndian(first[(at + 4)..]);
            if (type == 0)
            {
                break;
            }

            at += HeadSize;
            if (length > end - at)
            {
                throw Qcow2Error.Damaged($"the header extension {type:x8} has {length} bytes, and there are {end - at}");
            }

            ReadOnlySpan<byte> data = first.Slice(at, (int)length);
            all = type switch
            {
                BackingFormatType => all with { BackingFormat = Encoding.UTF8.GetString(data) },
                FeatureNamesType => all with { IncompatibleNames = ReadNames(data) },
                BitmapsType => all with { HasBitmaps = true },
                _ => all with { HasUnknown = true },
            };
            at += (int)Math.Min((length + 7) / 8 * 8, end - at);
        }

        return all;
    }

    private static Dictionary<int, string> ReadNames(ReadOnlySpan<byte> data)
    {
        var names = new Dictionary<int, string>();
        for (; data.Length >= FeatureSize; data = data[FeatureSize..])
        {
            if (data[0] == 0)
            {
                names[data[1]] = Qcow2Error.Shown(Encoding.UTF8.GetString(data[2..FeatureSize].TrimEnd((byte)0)));
            }
        }

        return names;
    }
}
