using WinLoop.Ext4.Journal;

namespace WinLoop.Ext4.Inodes;

/// <summary>The inodes in memory: one object per number, kept while referenced and for a while after.</summary>
internal sealed class InodeCache(Ext4Volume volume)
{
    /// <summary>A reference to an inode, read and verified if it is not in memory.</summary>
    /// <exception cref="Ext4CorruptException">The number or the inode is bad.</exception>
    public Inode Get(uint number) => throw new NotImplementedException();

    /// <summary>A referenced object for a number just allocated: generation chosen, all else empty.</summary>
    public Inode CreateNew(uint number) => throw new NotImplementedException();

    /// <summary>Encodes the inode into its table block inside the handle (all of the slot if it is new).</summary>
    public void Write(Handle handle, Inode inode) => throw new NotImplementedException();

    /// <summary>The inode's raw bytes in its table block, for the attribute area behind i_extra_isize. Dispose
    /// the buffer; join it to a handle before changing anything.</summary>
    public Cache.MetadataBuffer GetRaw(Inode inode, out Span<byte> raw) => throw new NotImplementedException();

    private Ext4Volume Volume => volume;
}
