using WinLoop.Ext4.Format;

namespace WinLoop.Fuse.Protocol;

/// <summary>Packs directory entries into a READDIR or READDIRPLUS reply.</summary>
internal unsafe struct DirentWriter(byte* buffer, int capacity, bool plus)
{
    /// <summary>Bytes used so far.</summary>
    public int Length { get; private set; }

    /// <summary>Bytes in front of the name.</summary>
    public static int HeadSize(bool plus) => sizeof(Dirent) + (plus ? sizeof(EntryOut) : 0);

    /// <summary>Bytes of an entry with its padding.</summary>
    public static int EntrySize(int nameLength, bool plus) => HeadSize(plus) + nameLength + 7 & ~7;

    /// <summary>Appends an entry, with an empty <see cref="EntryOut"/> in front if <c>plus</c>; false if it does
    /// not fit.</summary>
    public bool TryAdd(ReadOnlySpan<byte> name, uint inode, DirectoryEntryType type, ulong next)
    {
        int size = EntrySize(name.Length, plus);
        if (size > capacity - Length)
        {
            return false;
        }
        byte* at = buffer + Length;
        if (plus)
        {
            *(EntryOut*)at = default;
            at += sizeof(EntryOut);
        }
        *(Dirent*)at = new Dirent { Inode = inode, Next = next, NameLength = (uint)name.Length, Type = ToDirentType(type) };
        at += sizeof(Dirent);
        name.CopyTo(new Span<byte>(at, name.Length));
        byte* end = buffer + Length + size;
        for (byte* pad = at + name.Length; pad < end; pad++)
        {
            *pad = 0;
        }
        Length += size;
        return true;
    }

    /// <summary>readdir(3)'s DT_ value: the type bits of the mode, shifted down.</summary>
    public static uint ToDirentType(DirectoryEntryType type) => type switch
    {
        DirectoryEntryType.Fifo => 1,
        DirectoryEntryType.CharDevice => 2,
        DirectoryEntryType.Directory => 4,
        DirectoryEntryType.BlockDevice => 6,
        DirectoryEntryType.Regular => 8,
        DirectoryEntryType.Symlink => 10,
        DirectoryEntryType.Socket => 12,
        _ => 0,
    };
}
