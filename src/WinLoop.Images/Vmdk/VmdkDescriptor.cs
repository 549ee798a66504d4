using System.Globalization;
using System.Text;
using WinLoop.Storage;

namespace WinLoop.Images.Vmdk;

/// <summary>The descriptor: a text that says how the disk is put together. It is a file, or lies in a sparse extent.</summary>
internal sealed class VmdkDescriptor
{
    /// <summary>The longest text that is read. Those of known writers have 1 to 30 KiB.</summary>
    public const int MaxSize = 64 * 1024;

    /// <summary>The largest number of extents: each is an open file.</summary>
    public const int MaxExtents = 1024;

    /// <summary>The parentCID of a disk without a parent.</summary>
    public const uint NoParent = uint.MaxValue;

    private const string FirstLine = "# Disk DescriptorFile";

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly Dictionary<string, string> _values = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<VmdkExtentLine> _extents = [];

    private VmdkDescriptor()
    {
    }

    /// <summary>The extents, in the order of the disk.</summary>
    public IReadOnlyList<VmdkExtentLine> Extents => _extents;

    /// <summary>How the disk is put together, for example <c>monolithicSparse</c>.</summary>
    public string CreateType => this["createType"] ?? throw VmdkError.Damaged("the descriptor has no createType");

    /// <summary>The content identifier (CID); null: it has none.</summary>
    public uint? Id { get; private set; }

    /// <summary>The content identifier of the parent when this disk was made on it, or <see cref="NoParent"/>.</summary>
    public uint ParentId { get; private set; }

    /// <summary>Where in the text the digits of the content identifier are; empty if there are none.</summary>
    public Range IdPlace { get; private set; }

    /// <summary>The value of a key; null if it is not there.</summary>
    public string? this[string key] => _values.GetValueOrDefault(key);

    /// <summary>Whether a file begins as a descriptor does.</summary>
    public static bool Matches(IBlockDevice file)
    {
        Span<byte> start = stackalloc byte[FirstLine.Length + 1];
        if (file.Length < start.Length)
        {
            return false;
        }

        file.Read(start, 0);
        return Encoding.Latin1.GetString(start[..FirstLine.Length]).Equals(FirstLine, StringComparison.OrdinalIgnoreCase)
            && start[^1] is (byte)'\n' or (byte)'\r' or (byte)' ' or (byte)'\t';
    }

    /// <summary>Reads and parses a text.</summary>
    /// <param name="file">Where it is.</param>
    /// <param name="offset">Its first byte; it lies in the file.</param>
    /// <param name="size">Its bytes; it may end earlier, with a zero.</param>
    public static VmdkDescriptor Read(IBlockDevice file, long offset, long size)
    {
        if (size > MaxSize)
        {
            throw VmdkError.Damaged($"the descriptor has {size} bytes; {MaxSize} are the limit");
        }

        byte[] bytes = new byte[size];
        file.Read(bytes, offset);
        return Parse(bytes);
    }

    /// <summary>Takes the text apart. Keys that are not known here are left alone.</summary>
    public static VmdkDescriptor Parse(ReadOnlySpan<byte> bytes)
    {
        // A character for each byte, so that places in the text are places in the file.
        int zero = bytes.IndexOf((byte)0);
        string text = Encoding.Latin1.GetString(zero < 0 ? bytes : bytes[..zero]);
        var descriptor = new VmdkDescriptor();
        for (int start = 0; start < text.Length;)
        {
            int end = text.IndexOf('\n', start);
            end = end < 0 ? text.Length : end;
            descriptor.Add(text, start, end);
            start = end + 1;
        }

        descriptor.Check();
        return descriptor;
    }

    /// <summary>Text of the file as what its writer meant: UTF-8, or else one byte for each character.</summary>
    public static string Decode(ReadOnlySpan<char> text)
    {
        byte[] bytes = new byte[text.Length];
        Encoding.Latin1.GetBytes(text, bytes);
        try
        {
            return StrictUtf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            return text.ToString();
        }
    }

    private void Add(string text, int start, int end)
    {
        string line = text[start..end].Trim();
        if (line.Length == 0 || line[0] == '#')
        {
            return;
        }

        if (VmdkExtentLine.Matches(line))
        {
            if (_extents.Count == MaxExtents)
            {
                throw VmdkError.Unsupported($"more than {MaxExtents} extents");
            }

            _extents.Add(VmdkExtentLine.Parse(line));
            return;
        }

        int equals = line.IndexOf('=', StringComparison.Ordinal);
        if (equals <= 0)
        {
            throw VmdkError.Damaged($"the descriptor has a line that is not known: {VmdkError.Shown(line)}");
        }

        string key = line[..equals].TrimEnd(), value = line[(equals + 1)..].Trim();
        bool isQuoted = value.Length >= 2 && value[0] == '"' && value[^1] == '"';
        bool isNew = _values.TryAdd(key, isQuoted ? Decode(value.AsSpan(1, value.Length - 2)) : Decode(value));
        if (!isNew && !key.StartsWith("ddb.", StringComparison.OrdinalIgnoreCase))
        {
            throw VmdkError.Damaged($"the descriptor says twice what {VmdkError.Shown(key)} is");
        }

        if (key.Equals("CID", StringComparison.OrdinalIgnoreCase) && !isQuoted)
        {
            int at = text.IndexOf(value, text.IndexOf('=', start), StringComparison.Ordinal);
            IdPlace = at..(at + value.Length);
        }
    }

    private uint? Identifier(string key)
    {
        if (this[key] is not { } text)
        {
            return null;
        }

        return text.Length <= 8 && uint.TryParse(text, NumberStyles.AllowHexSpecifier, null, out uint id)
            ? id : throw VmdkError.Damaged($"the descriptor has the {key} {VmdkError.Shown(text)}");
    }

    private void Check()
    {
        foreach (string key in _values.Keys)
        {
            if (key.StartsWith("encryption.", StringComparison.OrdinalIgnoreCase))
            {
                throw VmdkError.Unsupported("an encrypted disk");
            }
        }

        if (this["version"] is not { } version)
        {
            throw VmdkError.Damaged("the descriptor has no version");
        }

        if (version is not ("1" or "2" or "3"))
        {
            throw VmdkError.Unsupported($"version {VmdkError.Shown(version)} of the descriptor");
        }

        ParentId = Identifier("parentCID") ?? NoParent;
        Id = Identifier("CID");
        if (ParentId == NoParent && this["parentFileNameHint"] is { } hint)
        {
            throw VmdkError.Damaged($"the descriptor names the parent {VmdkError.Shown(hint)}, and says that there is none");
        }

        if (_extents.Count == 0)
        {
            throw VmdkError.Damaged("the descriptor has no extents");
        }
    }
}
