using WinLoop.Ext4;
using WinLoop.Fuse.Native;
using WinLoop.Fuse.Protocol;

namespace WinLoop.Fuse.Operations;

/// <summary>READDIR and READDIRPLUS.</summary>
/// <remarks>
/// The kernel is told to always ask READDIRPLUS, because it cannot know which listings are followed by a walk
/// over the files. Every entry of a reply may still be a plain one (node id 0), and which ones get their
/// attributes is decided here: the first ones of a listing, and all of a directory whose files are being looked
/// up one by one. See docs/decisions.
/// </remarks>
internal static unsafe class DirectoryOperations
{
    // An entry with attributes costs 4 us more than a plain one, a lookup that it saves 8 to 60 us: most directories
    // are listed with attributes, and of large ones as much as costs 4 ms.
    private const int AlwaysWithAttributes = 1024;

    // Of a directory with more bytes (some 6,000 names) the first names are a small part, and their inodes lie
    // scattered over a large table: it begins plain.
    private const long LargeDirectory = 256 * 1024;

    // More single lookups than this since the last listing: the directory is being walked.
    private const int WalkThreshold = 16;

    /// <summary>OPENDIR: there is no state per open directory, so the kernel need not ask; it then caches
    /// listings by itself.</summary>
    public static int OpenDir(FuseSession session, FuseRequest request) => -Libc.ENOSYS;

    public static int ReadDir(FuseSession session, FuseRequest request) => Fill(session, request, plus: false, out _);

    public static int ReadDirPlus(FuseSession session, FuseRequest request)
    {
        bool isStart = request.In<ReadIn>().Offset == 0;
        int length = Fill(session, request, plus: true, out Node directory);
        if (isStart)
        {
            directory.Listed = 0;
        }
        int always = directory.Inode.Size <= LargeDirectory ? AlwaysWithAttributes : 0;
        if (directory.Listed < always || directory.SingleLookups > WalkThreshold)
        {
            AddAttributes(session, request, length);
        }
        directory.Listed += request.Directory.Count;
        if (length == 0)
        {
            directory.SingleLookups = 0;
        }
        return length;
    }

    private static int Fill(FuseSession session, FuseRequest request, bool plus, out Node directory)
    {
        ref readonly ReadIn input = ref request.In<ReadIn>();
        directory = session.GetNode(request.Header.NodeId);
        if (!directory.Inode.IsDirectory)
        {
            throw new Ext4Exception(Errno.ENOTDIR, $"inode {directory.Inode.Number} is not a directory");
        }
        int capacity = (int)Math.Min(input.Size, (uint)request.ReplyCapacity);
        return request.Directory.Fill(session.Volume, directory.Inode, input.Offset, request.Reply, capacity, plus);
    }

    // Done after the listing and not inside it: the engine holds the directory's lock there. Meanwhile no name
    // can change, the kernel holds the directory's own lock until it has the reply.
    private static void AddAttributes(FuseSession session, FuseRequest request, int length)
    {
        for (int at = 0; at < length;)
        {
            EntryOut* entry = (EntryOut*)(request.Reply + at);
            Dirent* dirent = (Dirent*)(entry + 1);
            byte* name = (byte*)(dirent + 1);
            at += DirentWriter.EntrySize((int)dirent->NameLength, plus: true);
            bool isDot = name[0] == '.' && (dirent->NameLength == 1 || dirent->NameLength == 2 && name[1] == '.');
            if (isDot)
            {
                continue;
            }
            try
            {
                int given = request.EntriesGiven;
                session.ReplyEntry(request, session.Volume.GetInode((uint)dirent->Inode), entry);
                request.EntriesGiven = given + 1;
            }
            catch (Exception e) when (e is Ext4CorruptException or Ext4Exception)
            {
                *entry = default;       // a damaged inode does not spoil the listing; asking for it tells
            }
        }
    }
}
