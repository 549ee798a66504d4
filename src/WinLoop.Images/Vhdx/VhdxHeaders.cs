using WinLoop.Storage;

namespace WinLoop.Images.Vhdx;

/// <summary>The pair of headers: which one counts, and how it is replaced so that one is valid at every moment.</summary>
internal sealed class VhdxHeaders
{
    private int _slot;

    private VhdxHeaders(VhdxHeader current, int slot)
    {
        Current = current;
        _slot = slot;
    }

    /// <summary>The header that counts.</summary>
    public VhdxHeader Current { get; private set; }

    /// <summary>Finds the header that counts and checks its fields.</summary>
    public static VhdxHeaders Read(IBlockDevice file)
    {
        if (file.Length < VhdxLayout.MiB)
        {
            throw VhdxError.Damaged($"the file ends at {file.Length} bytes, inside the headers");
        }

        byte[] first = new byte[VhdxLayout.HeaderSize], second = new byte[VhdxLayout.HeaderSize];
        file.Read(first, VhdxLayout.Header1);
        file.Read(second, VhdxLayout.Header2);
        bool isFirst = VhdxHeader.TryRead(first, out VhdxHeader a);
        bool isSecond = VhdxHeader.TryRead(second, out VhdxHeader b);
        if (!isFirst && !isSecond)
        {
            throw VhdxError.Damaged("both headers are damaged");
        }

        if (isFirst && isSecond && a.Sequence == b.Sequence && a != b)
        {
            throw VhdxError.Damaged($"both headers have the number {a.Sequence} and differ");
        }

        bool takesSecond = isSecond && (!isFirst || b.Sequence > a.Sequence);
        VhdxHeader current = takesSecond ? b : a;
        Check(current, file.Length);
        return new VhdxHeaders(current, takesSecond ? 1 : 0);
    }

    /// <summary>Puts a header in the place of the one that does not count, with the next number, and makes it durable:
    /// from then on it is the one that counts. What it refers to must be durable before.</summary>
    public void Replace(IBlockDevice file, VhdxHeader header)
    {
        header = header with { Sequence = checked(Current.Sequence + 1) };
        byte[] bytes = new byte[VhdxLayout.HeaderSize];
        header.WriteTo(bytes);
        file.Write(bytes, _slot == 0 ? VhdxLayout.Header2 : VhdxLayout.Header1, WriteTag.Superblock);
        file.Flush();
        Current = header;
        _slot = 1 - _slot;
    }

    private static void Check(in VhdxHeader header, long fileLength)
    {
        if (header.Version != 1)
        {
            throw VhdxError.Unsupported($"version {header.Version} of the format");
        }

        if (header.Sequence > ulong.MaxValue - (1 << 20))
        {
            throw VhdxError.Damaged($"the number of the header, {header.Sequence}, leaves no room for another one");
        }

        if (header.LogLength == 0 || header.LogLength % VhdxLayout.MiB != 0
            || header.LogOffset % VhdxLayout.MiB != 0 || header.LogOffset < VhdxLayout.MiB)
        {
            throw VhdxError.Damaged($"a log of {header.LogLength} bytes at {header.LogOffset} cannot be");
        }

        if (header.LogOffset > (ulong)fileLength || header.LogLength > (ulong)fileLength - header.LogOffset)
        {
            throw VhdxError.Damaged($"the log, {header.LogLength} bytes at {header.LogOffset}, ends past the end of the file ({fileLength} bytes)");
        }

        if (header.LogGuid == Guid.Empty)
        {
            return;
        }

        if (header.LogVersion != 0)
        {
            throw VhdxError.Unsupported($"version {header.LogVersion} of the log, which has to be replayed");
        }

        if (header.LogLength > VhdxLayout.MaxLogLength)
        {
            throw VhdxError.Unsupported($"a log of {header.LogLength} bytes, which has to be replayed; the largest is {VhdxLayout.MaxLogLength}");
        }
    }
}
