using WinLoop.Storage;

namespace WinLoop.Images.Vhdx;

/// <summary>Space at the end of the file for new blocks. Under the map lock.</summary>
internal sealed class FileSpace
{
    private readonly IGrowableDevice _file;
    // What the file had behind its last structure when it was opened may hold anything, for example a block whose mapping
    // was lost in a power cut.
    private readonly long _usedEnd;
    private long _end;

    /// <summary>Gives out space from the end of the last structure on.</summary>
    public FileSpace(IGrowableDevice file, long end)
    {
        _file = file;
        _end = end;
        _usedEnd = file.Length;
    }

    /// <summary>Makes room that reads as zeroes.</summary>
    /// <param name="length">Bytes, a multiple of 1 MiB.</param>
    /// <returns>The first byte.</returns>
    /// <exception cref="BlockDeviceException">There is no room; nothing has changed.</exception>
    public long Allocate(long length)
    {
        long start = _end, end = start + length;
        if (end > VhdxLayout.MaxFileLength)
        {
            throw new BlockDeviceException(BlockDeviceError.NoSpace, "the VHDX cannot get any larger");
        }

        if (end > _file.Length)
        {
            _file.SetLength(end);
        }

        if (start < _usedEnd)
        {
            _file.WriteZeroes(start, Math.Min(end, _usedEnd) - start);
        }

        _end = end;
        return start;
    }
}
