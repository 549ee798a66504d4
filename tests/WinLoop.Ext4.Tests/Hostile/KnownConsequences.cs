using WinLoop.Ext4.Check;
using static WinLoop.Ext4.Check.FindingCode;

namespace WinLoop.Ext4.Tests.Hostile;

/// <summary>What work in a damaged volume may lead to, because the damage passes every check that can be made without reading
/// the whole volume; the kernel's ext4 is in the same position. docs/hostile-images.md explains each.</summary>
internal static class KnownConsequences
{
    private static readonly HashSet<FindingCode> s_counts = [GroupFreeBlocks, GroupFreeInodes, GroupDirectories, FreeBlocks, FreeInodes];

    /// <summary>True if what was found before explains what is found now.</summary>
    public static bool Explain(IReadOnlyList<Finding> before, Finding fresh) =>
        // The mark of a journal that was ended because damage was met.
        fresh.Code == JournalAborted || before.Any(b => Explains(b, fresh));

    private static bool Explains(Finding before, Finding fresh) => before.Code switch
    {
        // What is in use and free in the bitmap is given to somebody else: two owners overwrite each other. The same for a block
        // or an inode that has two owners already, and one of them gives it up.
        BlockBitmap or InodeBitmap or MultiplyClaimed or MetadataOverlap or LinkedDirectory or DirectoryLoop => true,
        // Counts are kept up, and not counted anew.
        GroupFreeBlocks or GroupFreeInodes or GroupDirectories or FreeBlocks or FreeInodes or DescriptorFlags or DescriptorRange or
            BitmapChecksum or BitmapPadding => s_counts.Contains(fresh.Code) || fresh.Code is BitmapPadding,
        // A block of attributes that others refer to, too, is freed with the last one that is counted.
        AttributeReferences => fresh.Code is BlockBitmap or MultiplyClaimed or AttributeBlock or AttributeEntry or AttributeHash or AttributeChecksum ||
            s_counts.Contains(fresh.Code),
        // Freed with the last name that is counted, though there are others; or an entry without an inode gets one.
        LinkCount or EntryUnused or UnattachedInode or UnconnectedDirectory => fresh.Code is EntryUnused or EntryType or LinkedDirectory or LinkCount or
            WrongParent or DirectoryLoop or UnconnectedDirectory or UnattachedInode,
        // The checker does not follow a tree that makes no sense in some place, though its owner still can: what the file gets
        // afterwards looks unused.
        ExtentHeader or ExtentChecksum or ExtentOrder or ExtentRange or ExtentIndex or ExtentState or ExtentDepth or BlockRange or InodeFlags
            when before.Inode != fresh.Inode => fresh.Code is BlockBitmap || s_counts.Contains(fresh.Code),
        // A superblock that the journal spoils, or that was put together for the mount, is damage under another name afterwards.
        RecoveryFailed or SuperblockRebuilt => fresh.Code is BadSuperblock or SuperblockChecksum or JournalSuperblock or JournalNotEmpty,
        // More of the same about the same thing, by its owner's change.
        _ => before.Inode is not null && before.Inode == fresh.Inode,
    };
}
