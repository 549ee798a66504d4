using WinLoop.Ext4.Journal;

namespace WinLoop.Ext4.Allocation;

/// <summary>Hands out and takes back inode numbers: directories spread over groups (Orlov), files near their directory.</summary>
internal sealed class InodeAllocator(Ext4Volume volume)
{
    /// <summary>Blocks that <see cref="Allocate"/> or <see cref="Free"/> joins: inode bitmap, block bitmap of a
    /// group used for the first time, descriptor.</summary>
    public const int Credits = 4;

    /// <summary>Free inodes now.</summary>
    public uint FreeInodes => throw new NotImplementedException();

    /// <summary>A free inode number, marked used in bitmap and descriptor (itable_unused, flags, used_dirs).</summary>
    /// <param name="handle">An open handle.</param>
    /// <param name="parent">The directory that will name it.</param>
    /// <param name="isDirectory">Chooses the policy and counts used_dirs.</param>
    /// <exception cref="Ext4Exception">ENOSPC.</exception>
    public uint Allocate(Handle handle, Inode parent, bool isDirectory) => throw new NotImplementedException();

    /// <summary>Frees an inode number; not handed out again before the transaction is durable.</summary>
    public void Free(Handle handle, uint inode, bool isDirectory) => throw new NotImplementedException();

    /// <summary>True if the bitmap says that the inode is in use.</summary>
    public bool IsAllocated(uint inode) => throw new NotImplementedException();

    /// <summary>Called by the journal when a transaction is durable.</summary>
    public void OnCommitted(List<uint> freed) => throw new NotImplementedException();

    private Ext4Volume Volume => volume;
}
