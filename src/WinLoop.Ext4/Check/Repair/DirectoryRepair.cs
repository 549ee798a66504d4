using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;
using WinLoop.Storage;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Check.Repair;

/// <summary>Directory blocks: types, "..", checksums; an index that is wrong is dropped, which loses nothing; with
/// leave, damaged entries are removed and what lost its name goes to lost+found.</summary>
internal sealed class DirectoryRepair(CheckState state, IBlockDevice device, RepairOptions options, List<string> actions)
{
    private readonly HashSet<ulong> _mended = [];
    private readonly HashSet<uint> _linear = [];

    public void Repair(in Finding finding)
    {
        switch (finding.Code)
        {
            case FindingCode.HtreeRoot or FindingCode.HtreeNode or FindingCode.HtreeReference or FindingCode.HtreeHash:
                MakeLinear(finding.Inode);
                break;
            case FindingCode.WrongParent:
                SetParent(finding.Inode);
                break;
            case FindingCode.UnattachedInode or FindingCode.UnconnectedDirectory:
                Reconnect(finding.Inode);
                break;
            default:
                MendBlock(finding);
                break;
        }
    }

    private void MendBlock(in Finding finding)
    {
        if (finding.Block is not { } physical || Find(physical) is not { } index || !_mended.Add(physical))
        {
            return;
        }
        ref CheckedDirectoryBlock block = ref state.DirectoryBlocks[index];
        ref CheckedDirectory directory = ref state.Directories[block.Directory];
        if (_linear.Contains(directory.Inode))
        {
            return;
        }
        byte[] data = Read(physical);
        BufferKind kind = KindOf(directory, block);
        if (kind == BufferKind.DirectoryLeaf && state.Format.HasTail && !BlockChecksums.HasLeafTail(data))
        {
            return; // there is no place for a checksum
        }
        if (kind != BufferKind.HtreeNode)
        {
            MendEntries(data, kind == BufferKind.DirectoryLeaf ? state.Format.Usable : data.Length, directory.Inode, block.Logical);
        }
        Write(physical, data, kind, directory);
        actions.Add($"inode {directory.Inode}: mended directory block {block.Logical}");
    }

    private void MendEntries(byte[] data, int end, uint directory, uint logical)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        int before = -1;
        for (int at = 0, number = 0; at < end; number++)
        {
            int length = end - at < DirectoryFormat.MinimumEntry ? 0 : state.Format.DecodeLength(ReadUInt16LittleEndian(data.AsSpan(at + 4)));
            int nameLength = length == 0 ? 0 : data[at + 6];
            if (length < DirectoryFormat.MinimumEntry || length % 4 != 0 || nameLength + DirectoryFormat.HeaderSize > length || length > end - at)
            {
                Cut(data, at, end, before, logical);
                return;
            }
            uint inode = ReadUInt32LittleEndian(data.AsSpan(at));
            ReadOnlySpan<byte> name = data.AsSpan(at + DirectoryFormat.HeaderSize, nameLength);
            bool isDot = logical == 0 && number < 2;
            if (inode != 0)
            {
                InodeState known = inode <= state.Geometry.InodesCount ? state.StateOf(inode) : InodeState.Free;
                if (!isDot && options.MayDiscard && IsDamaged(name, inode, known, directory, names))
                {
                    WriteUInt32LittleEndian(data.AsSpan(at), 0);
                }
                else if ((known & InodeState.InUse) != 0 && (known & InodeState.TypeMask) != InodeState.BadType)
                {
                    data[at + 7] = state.Format.HasFileType ? (byte)(known & InodeState.TypeMask) : (byte)0;
                }
            }
            before = at;
            at += length;
        }
    }

    private bool IsDamaged(ReadOnlySpan<byte> name, uint inode, InodeState known, uint directory, HashSet<string> names)
    {
        if (name.IsEmpty || name.SequenceEqual("."u8) || name.SequenceEqual(".."u8) || name.IndexOfAny((byte)'/', (byte)0) >= 0 ||
            !names.Add(Convert.ToHexString(name)))
        {
            return true;
        }
        if (inode < state.Geometry.FirstInode || (known & InodeState.InUse) == 0 || (known & InodeState.Hidden) != 0)
        {
            return true;
        }
        int child = state.FindDirectory(inode);
        return child >= 0 && state.Directories[child].Parent != directory;
    }

    // What follows a length that cannot be followed is lost; its inodes are found without a name next time.
    private void Cut(byte[] data, int at, int end, int before, uint logical)
    {
        if (!options.MayDiscard || (logical == 0 && before < DirectoryFormat.MinimumEntry))
        {
            return; // "." and ".." are not made up
        }
        data.AsSpan(at, end - at).Clear();
        if (before >= 0)
        {
            DirectoryBlockWriter.SetLength(data, before, end - before);
        }
        else
        {
            DirectoryBlockWriter.SetLength(data, at, end - at);
        }
    }

    private void SetParent(uint? inode)
    {
        if (inode is not { } number || state.FindDirectory(number) is not (>= 0 and var at) || _linear.Contains(number))
        {
            return;
        }
        ref CheckedDirectory directory = ref state.Directories[at];
        uint parent = number == Ext4Volume.RootInode ? number : directory.Parent;
        if (parent == 0 || directory.BlockCount == 0 || state.DirectoryBlocks[directory.FirstBlock] is not { Logical: 0 } block)
        {
            return;
        }
        byte[] data = Read(block.Physical);
        int dotDot = state.Format.DecodeLength(ReadUInt16LittleEndian(data.AsSpan(4)));
        if (dotDot < DirectoryFormat.MinimumEntry || dotDot > data.Length - 2 * DirectoryFormat.MinimumEntry)
        {
            return;
        }
        WriteUInt32LittleEndian(data.AsSpan(dotDot), parent);
        Write(block.Physical, data, KindOf(directory, block), directory);
        actions.Add($"inode {number}: set \"..\" to inode {parent}");
    }

    // An index only helps to find: without it the directory is read from one end to the other.
    private void MakeLinear(uint? inode)
    {
        if (inode is not { } number || state.FindDirectory(number) is not (>= 0 and var at) || !_linear.Add(number))
        {
            return;
        }
        ref CheckedDirectory directory = ref state.Directories[at];
        byte[] raw = new byte[state.Geometry.InodeSize];
        if (!state.TryReadInode(number, raw))
        {
            return;
        }
        for (int i = 0; i < directory.BlockCount; i++)
        {
            ref CheckedDirectoryBlock block = ref state.DirectoryBlocks[directory.FirstBlock + i];
            byte[] data = Read(block.Physical);
            if (block.Logical == 0)
            {
                DirectoryBlockWriter.FormatFirst(data, state.Format, number, directory.DotDot == 0 ? directory.Parent : directory.DotDot);
            }
            else if (block.MaximumHash == DirectoryBlockScanner.NodeMark)
            {
                DirectoryBlockWriter.Format(data, state.Format);
            }
            Write(block.Physical, data, BufferKind.DirectoryLeaf, directory);
        }
        uint flags = ReadUInt32LittleEndian(raw.AsSpan(InodeRecord.FlagsAt));
        WriteUInt32LittleEndian(raw.AsSpan(InodeRecord.FlagsAt), flags & ~(uint)InodeFlags.Index);
        WriteInode(number, raw);
        actions.Add($"inode {number}: dropped the directory's index");
    }

    private void Reconnect(uint? inode)
    {
        if (inode is not { } number || state.FindDirectory(state.LostAndFound) is not (>= 0 and var at))
        {
            return;
        }
        ref CheckedDirectory directory = ref state.Directories[at];
        byte[] name = System.Text.Encoding.ASCII.GetBytes("#" + number);
        var type = (DirectoryEntryType)(byte)(state.StateOf(number) & InodeState.TypeMask);
        for (int i = 0; i < directory.BlockCount && !directory.IsIndexed; i++)
        {
            ref CheckedDirectoryBlock place = ref state.DirectoryBlocks[directory.FirstBlock + i];
            byte[] data = Read(place.Physical);
            try
            {
                var block = new DirectoryBlock(data, state.Format, directory.Inode, place.Logical);
                int room = block.FindRoom(DirectoryFormat.Need(name.Length), out _);
                if (room < 0)
                {
                    continue;
                }
                DirectoryBlockWriter.Insert(block, state.Format, room, name, number, type);
            }
            catch (Ext4CorruptException)
            {
                continue;
            }
            Write(place.Physical, data, BufferKind.DirectoryLeaf, directory);
            actions.Add($"inode {number}: moved to lost+found");
            return;
        }
    }

    private static BufferKind KindOf(in CheckedDirectory directory, in CheckedDirectoryBlock block) =>
        !directory.IsIndexed ? BufferKind.DirectoryLeaf
        : block.Logical == 0 ? BufferKind.HtreeRoot
        : block.MaximumHash == DirectoryBlockScanner.NodeMark ? BufferKind.HtreeNode : BufferKind.DirectoryLeaf;

    private int? Find(ulong physical)
    {
        for (int i = 0; i < state.DirectoryBlocks.Count; i++)
        {
            if (state.DirectoryBlocks[i].Physical == physical)
            {
                return i;
            }
        }
        return null;
    }

    private byte[] Read(ulong block)
    {
        byte[] data = new byte[state.Geometry.BlockSize];
        device.Read(data, (long)(block << state.Geometry.BlockSizeBits));
        return data;
    }

    private void Write(ulong block, byte[] data, BufferKind kind, in CheckedDirectory directory)
    {
        if (state.Geometry.HasMetadataChecksums)
        {
            try
            {
                state.Checksums.Update(block, data, kind, state.Geometry.InodeSeed(directory.Inode, directory.Generation));
            }
            catch (Ext4CorruptException)
            {
                // An index node without a place for its checksum: the index goes in the next round.
            }
        }
        device.Write(data, (long)(block << state.Geometry.BlockSizeBits), WriteTag.Metadata);
    }

    private void WriteInode(uint inode, byte[] raw)
    {
        Geometry geometry = state.Geometry;
        if (geometry.HasMetadataChecksums)
        {
            int extra = geometry.InodeSize > InodeRecord.GoodOldSize ? ReadUInt16LittleEndian(raw.AsSpan(InodeRecord.ExtraSizeAt)) : 0;
            InodeRecord.UpdateChecksum(raw, geometry.InodeSeed(inode, ReadUInt32LittleEndian(raw.AsSpan(InodeRecord.GenerationAt))), extra);
        }
        ulong table = state.Descriptor(geometry.GroupOfInode(inode)).InodeTable;
        device.Write(raw, (long)((table << geometry.BlockSizeBits) + ((ulong)((inode - 1) % geometry.InodesPerGroup) * (ulong)geometry.InodeSize)), WriteTag.Metadata);
    }
}
