namespace WinLoop.Ext4.Files;

/// <summary>
/// File content: read, write, truncate, allocate, seek. Takes the inode lock itself. Data goes straight
/// between the caller's buffer and the device; only mappings and sizes are journaled, after the data.
/// </summary>
internal sealed class FileStore(Ext4Volume volume)
{
    public int Read(Inode inode, Span<byte> buffer, long offset) => throw new NotImplementedException();

    public int Write(Inode inode, ReadOnlySpan<byte> buffer, long offset, Caller caller, bool updateTimes) => throw new NotImplementedException();

    /// <summary>Sets the size; the caller holds the inode lock exclusive and no handle.</summary>
    public void TruncateLocked(Inode inode, long size) => throw new NotImplementedException();

    /// <summary>Frees everything of an inode whose links are 0; the caller holds the lock and no handle.</summary>
    public void FreeAllBlocksLocked(Inode inode) => throw new NotImplementedException();

    public void Allocate(Inode inode, AllocateMode mode, long offset, long length, Caller caller) => throw new NotImplementedException();

    /// <summary>SEEK_DATA / SEEK_HOLE.</summary>
    public long Seek(Inode inode, long offset, bool hole) => throw new NotImplementedException();

    private Ext4Volume Volume => volume;
}
