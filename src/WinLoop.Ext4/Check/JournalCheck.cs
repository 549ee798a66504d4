using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;
using WinLoop.Ext4.Journal.Recovery;
using WinLoop.Storage;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Check;

/// <summary>The journal's inode and superblock. Its log is looked at only when it has to be replayed.</summary>
internal sealed class JournalCheck(CheckState state)
{
    private const uint MinimumBlocks = 1024;

    public void Run()
    {
        Superblock superblock = state.Superblock;
        if (!superblock.Has(CompatFeatures.HasJournal))
        {
            if (superblock.JournalInode != 0)
            {
                Add(FindingCode.JournalInode, $"inode {superblock.JournalInode} is named as journal on a volume without one");
            }
            else if (superblock.JournalDevice != 0 || superblock.JournalUuid.ContainsAnyExcept((byte)0))
            {
                Add(FindingCode.JournalInode, "a device is named as journal on a volume without one");
            }
            return;
        }
        if (superblock.JournalUuid.ContainsAnyExcept((byte)0))
        {
            Add(FindingCode.JournalInode, "a device is named as journal beside the journal inode");
        }
        uint number = superblock.JournalInode;
        if (number > state.Geometry.InodesCount)
        {
            if (!superblock.Has(IncompatFeatures.Recover))
            {
                Add(FindingCode.JournalInode, $"the journal is said to be inode {number}");
            }
            return;
        }
        try
        {
            JournalMap map = JournalMapReader.Read(state.Device, state.Geometry, superblock);
            if (map.Count < MinimumBlocks)
            {
                Add(FindingCode.JournalInode, $"the journal has only {map.Count} blocks", number);
                return;
            }
            if (SizeOf(number) is { } size && size != (ulong)map.Count << state.Geometry.BlockSizeBits)
            {
                // The copy in the superblock served instead of the inode.
                Add(FindingCode.JournalInode, $"the journal's {map.Count} blocks are not what its size of {size} bytes says", number);
            }
            JournalSuperblock journal = JournalRecovery.ReadSuperblock(state.Device, state.Geometry, map);
            JournalFormat.Create(journal, state.Geometry.BlockSize, map.Count);
            if (journal.ErrorCode != 0)
            {
                Add(FindingCode.JournalAborted, $"the journal was aborted with error {-(long)journal.ErrorCode}", number);
            }
            if (journal.Start != 0 && !superblock.Has(IncompatFeatures.Recover))
            {
                Add(FindingCode.JournalNotEmpty, "the volume says that it needs no recovery, but its journal is not empty", number);
            }
        }
        catch (Ext4CorruptException e)
        {
            Add(e.Where.Contains("inode", StringComparison.Ordinal) ? FindingCode.JournalInode : FindingCode.JournalSuperblock, e.Message, number);
        }
        catch (Ext4NotSupportedException e)
        {
            Add(FindingCode.JournalSuperblock, e.Message, number);
        }
        catch (BlockDeviceException e)
        {
            Add(FindingCode.ReadError, $"the journal cannot be read: {e.Message}", number);
        }
        if (state.SlotOf(number) is >= 0 and var slot)
        {
            state.States[slot] |= (byte)InodeState.Hidden;
        }
    }

    private ulong? SizeOf(uint inode)
    {
        byte[] raw = new byte[state.Geometry.InodeSize];
        return state.TryReadInode(inode, raw)
            ? ReadUInt32LittleEndian(raw.AsSpan(InodeRecord.SizeAt)) | ((ulong)ReadUInt32LittleEndian(raw.AsSpan(InodeRecord.SizeHighAt)) << 32)
            : null;
    }

    private void Add(FindingCode code, string text, uint? inode = null) => state.Findings.Add(0, code, text, inode);
}
