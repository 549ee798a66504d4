using WinLoop.Ext4.Extents;

namespace WinLoop.Ext4.Files;

// Reading and looking for data.
internal sealed partial class FileStore
{
    /// <summary>Reads into <paramref name="buffer"/>; holes and unwritten blocks are zeroes.</summary>
    /// <returns>Bytes read: fewer than asked only at the end of the file.</returns>
    public int Read(Inode inode, Span<byte> buffer, long offset)
    {
        if (offset < 0)
        {
            throw new Ext4Exception(Errno.EINVAL);
        }
        inode.Lock.EnterRead();
        try
        {
            RequireAlive(inode);
            long size = Math.Min(inode.Size, MaxSize(inode));
            if (offset >= size)
            {
                return 0;
            }
            if (buffer.Length > size - offset)
            {
                buffer = buffer[..(int)(size - offset)];
            }
            int count = buffer.Length;
            while (!buffer.IsEmpty)
            {
                ExtentMapping run = volume.Extents.Map(inode, BlockOf(offset));
                int length = (int)Math.Min(buffer.Length, BytesTo(run.End) - offset);
                if (run.State == ExtentState.Written)
                {
                    Device.Read(buffer[..length], Position(run, offset));
                }
                else
                {
                    buffer[..length].Clear();
                }
                buffer = buffer[length..];
                offset += length;
            }
            return count;
        }
        finally
        {
            inode.Lock.ExitRead();
        }
    }

    /// <summary>SEEK_DATA / SEEK_HOLE: the first offset at or behind <paramref name="offset"/> that has data or is
    /// in a hole. Unwritten blocks are holes, and there is one behind the end of the file.</summary>
    /// <exception cref="Ext4Exception">ENXIO: at or past the end, or no data behind.</exception>
    public long Seek(Inode inode, long offset, bool hole)
    {
        inode.Lock.EnterRead();
        try
        {
            RequireAlive(inode);
            long size = Math.Min(inode.Size, MaxSize(inode));
            if (offset < 0 || offset >= size)
            {
                throw new Ext4Exception(Errno.ENXIO);
            }
            while (offset < size)
            {
                ExtentMapping run = volume.Extents.Map(inode, BlockOf(offset));
                if ((run.State != ExtentState.Written) == hole)
                {
                    return offset;
                }
                offset = BytesTo(run.End);
            }
            return hole ? size : throw new Ext4Exception(Errno.ENXIO);
        }
        finally
        {
            inode.Lock.ExitRead();
        }
    }
}
