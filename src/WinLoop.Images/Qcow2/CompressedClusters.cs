using System.IO.Compression;
using WinLoop.Storage;

namespace WinLoop.Images.Qcow2;

/// <summary>Reads compressed clusters (raw deflate), and keeps the last ones, because most requests are for a part.</summary>
internal sealed class CompressedClusters(IBlockDevice file, int clusterBits)
{
    private readonly Slot[] _slots = [.. Enumerable.Range(0, clusterBits > 18 ? 2 : 8).Select(_ => new Slot())];
    private byte[] _input = [];
    private int _next;

    /// <summary>Held around a look at the entry and <see cref="Read"/>: the clusters of a compressed one may be used for
    /// something else as soon as nobody holds it.</summary>
    public Lock Lock { get; } = new();

    /// <summary>Copies a part of a cluster. Under the lock.</summary>
    /// <exception cref="BlockDeviceException">It cannot be read, or is damaged.</exception>
    public void Read(L2Entry entry, int inside, Span<byte> target)
    {
        foreach (Slot slot in _slots)
        {
            if (slot.Raw == entry.Raw)
            {
                slot.Data.AsSpan(inside, target.Length).CopyTo(target);
                return;
            }
        }

        Slot use = _slots[_next];
        _next = (_next + 1) % _slots.Length;
        use.Raw = 0;
        if (use.Data.Length == 0)
        {
            use.Data = new byte[1 << clusterBits];
        }

        Inflate(entry, use.Data);
        use.Raw = entry.Raw;
        use.Data.AsSpan(inside, target.Length).CopyTo(target);
    }

    /// <summary>Forgets what was read: its place in the file is about to be used again. Under the lock.</summary>
    public void Forget()
    {
        foreach (Slot slot in _slots)
        {
            slot.Raw = 0;
        }
    }

    private void Inflate(L2Entry entry, byte[] target)
    {
        long offset = entry.CompressedOffset(clusterBits);
        if (offset >= file.Length)
        {
            throw Qcow2Error.DamagedInUse($"compressed data at {offset} is past the end of the file ({file.Length} bytes)");
        }

        // The last sector of the file may be short.
        int size = (int)Math.Min(entry.CompressedSize(clusterBits), file.Length - offset);
        if (_input.Length < size)
        {
            _input = new byte[Math.Max(size, 1 << clusterBits)];
        }

        file.Read(_input.AsSpan(0, size), offset);
        int done = 0;
        try
        {
            using var input = new MemoryStream(_input, 0, size, writable: false);
            using var inflate = new DeflateStream(input, CompressionMode.Decompress);
            done = inflate.ReadAtLeast(target, target.Length, throwOnEndOfStream: false);
        }
        catch (InvalidDataException e)
        {
            throw new BlockDeviceException(BlockDeviceError.Io, $"qcow2: damaged: the compressed data at {offset} cannot be expanded: {e.Message}", e);
        }

        if (done < target.Length)
        {
            throw Qcow2Error.DamagedInUse($"the compressed data at {offset} expands to {done} bytes, not {target.Length}");
        }
    }

    private sealed class Slot
    {
        // 0 is no compressed cluster.
        public ulong Raw { get; set; }

        public byte[] Data { get; set; } = [];
    }
}
