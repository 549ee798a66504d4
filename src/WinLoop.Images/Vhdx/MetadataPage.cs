using System.Runtime.InteropServices;

namespace WinLoop.Images.Vhdx;

/// <summary>4 KiB of the allocation table or of a sector bitmap in memory: what the log changes at once. Read without a
/// lock; changed under the lock of <see cref="MetadataWriter"/>, one word at a time.</summary>
/// <param name="offset">Its first byte in the file.</param>
internal sealed class MetadataPage(long offset)
{
    /// <summary>Words of a page.</summary>
    public const int WordCount = VhdxLayout.Sector / sizeof(ulong);

    /// <summary>Its first byte in the file.</summary>
    public long Offset => offset;

    /// <summary>The content, as words.</summary>
    public ulong[] Words { get; } = new ulong[WordCount];

    /// <summary>The content, as bytes; the formats and the machines are little-endian.</summary>
    public Span<byte> Bytes => MemoryMarshal.AsBytes(Words.AsSpan());

    /// <summary>It differs from what is in the log or in the file. Under the lock.</summary>
    public bool IsDirty { get; set; }
}
