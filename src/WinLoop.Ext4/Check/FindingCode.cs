namespace WinLoop.Ext4.Check;

/// <summary>The classes of problems; names and numbers are stable, the hundreds are the pass.</summary>
public enum FindingCode
{
#pragma warning disable CS1591 // the names say it; docs/check.md explains each
    // Pass 0: superblock, group descriptors, journal, resize inode, orphans.
    BadSuperblock = 1, SuperblockChecksum, SuperblockBackup, NeedsRecovery, RecoveryFailed, NotUnmounted,
    MarkedDamaged, DescriptorChecksum, DescriptorRange, DescriptorFlags, DescriptorBackup, MetadataOverlap,
    JournalInode, JournalSuperblock, JournalNotEmpty, ResizeInode, OrphanList, OrphanFile, OrphanInode, OrphanFlag, ReadError,
    NotChecked, SuperblockRebuilt, JournalAborted,

    // Pass 1: inodes, their blocks and attributes.
    InodeChecksum = 100, InodeMode, InodeSize, InodeBlocks, InodeFlags, DeletionTime, ExtraSize, InodeTime, InodeField,
    ReservedInode, SpecialInode, Symlink, ExtentHeader, ExtentChecksum, ExtentOrder, ExtentRange, ExtentIndex, ExtentState,
    BlockRange, MultiplyClaimed, AttributeEntry, AttributeHash, AttributeBlock, AttributeChecksum, AttributeReferences,
    AttributeBlockHash, LargeFileFeature, EmptyDirectory, ExtentDepth,

    // Pass 2: directory contents.
    DirectoryHole = 200, DirectoryChecksum, DirectoryEntry, DotEntry, EntryInode, EntryUnused, EntryType, EntryName,
    DuplicateName, LinkedDirectory, HtreeRoot, HtreeNode, HtreeReference, HtreeHash, HtreeChecksum, EntryTypeUnknown,

    // Pass 3: connectivity.
    RootDirectory = 300, UnconnectedDirectory, WrongParent, DirectoryLoop, LostAndFound,

    // Pass 4: link counts.
    UnattachedInode = 400, LinkCount, LinkOverflow,

    // Pass 5: bitmaps and counts.
    BlockBitmap = 500, InodeBitmap, BitmapChecksum, BitmapPadding, GroupFreeBlocks, GroupFreeInodes, GroupDirectories,
    FreeBlocks, FreeInodes,
#pragma warning restore CS1591
}

/// <summary>What is fixed about each class.</summary>
internal static class FindingCodes
{
    public static FindingSeverity SeverityOf(FindingCode code) => code switch
    {
        FindingCode.SuperblockBackup or FindingCode.DescriptorBackup or FindingCode.NeedsRecovery or FindingCode.NotUnmounted or
            FindingCode.MarkedDamaged or FindingCode.AttributeBlockHash or FindingCode.NotChecked or FindingCode.LinkOverflow or FindingCode.EntryTypeUnknown => FindingSeverity.Note,
        FindingCode.OrphanInode or FindingCode.OrphanFlag or FindingCode.SuperblockRebuilt => FindingSeverity.Pending,
        _ => FindingSeverity.Error,
    };
}
