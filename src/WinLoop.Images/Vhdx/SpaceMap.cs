using System.Numerics;

namespace WinLoop.Images.Vhdx;

/// <summary>Which mebibytes of the file belong to something: finds structures that overlap. At most 16 MiB of memory.</summary>
internal sealed class SpaceMap
{
    private readonly ulong[] _taken;
    private readonly long _fileLength;

    /// <summary>Makes a map in which only the headers' mebibyte is taken.</summary>
    public SpaceMap(long fileLength)
    {
        _fileLength = Math.Min(fileLength, VhdxLayout.MaxFileLength);
        _taken = new ulong[(VhdxLayout.AlignUp(_fileLength) / VhdxLayout.MiB / 64) + 1];
        Take(0, VhdxLayout.MiB, VhdxLayout.MiB, "the header section");
    }

    /// <summary>The end of the last thing.</summary>
    public long End { get; private set; }

    /// <summary>Takes a range, which must lie in the file and be free.</summary>
    /// <param name="offset">First byte, a multiple of 1 MiB.</param>
    /// <param name="length">Bytes, a multiple of 1 MiB.</param>
    /// <param name="needed">Bytes that must be in the file; the last block of a disk may be short.</param>
    /// <param name="name">What it is, for the message.</param>
    public void Take(long offset, long length, long needed, string name)
    {
        if (offset > _fileLength || needed > _fileLength - offset)
        {
            throw VhdxError.Damaged($"{name}, {needed} bytes at {offset}, ends past the end of the file ({_fileLength} bytes)");
        }

        for (long unit = offset / VhdxLayout.MiB, end = unit + (VhdxLayout.AlignUp(needed) / VhdxLayout.MiB); unit < end; unit++)
        {
            ref ulong word = ref _taken[unit / 64];
            ulong bit = 1UL << (int)(unit % 64);
            if ((word & bit) != 0)
            {
                throw VhdxError.Damaged($"{name} at {offset} shares bytes with another structure");
            }

            word |= bit;
        }

        End = Math.Max(End, offset + length);
    }

    /// <summary>Takes what an entry that is not in use still names: nobody else may be put there.</summary>
    public void Keep(long offset, long length)
    {
        if (offset > 0 && offset <= _fileLength)
        {
            End = Math.Max(End, Math.Min(offset + length, VhdxLayout.AlignUp(_fileLength)));
        }
    }

    /// <summary>How much is taken.</summary>
    public long TakenBytes => _taken.Sum(word => (long)BitOperations.PopCount(word)) * VhdxLayout.MiB;
}
