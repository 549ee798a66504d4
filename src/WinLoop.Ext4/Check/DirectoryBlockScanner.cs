using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Check;

/// <summary>Checks the entries of one directory block after the other. One per thread.</summary>
internal sealed class DirectoryBlockScanner(CheckState state)
{
    /// <summary><see cref="CheckedDirectoryBlock.MaximumHash"/> of an index node; hashes of names are even.</summary>
    public const uint NodeMark = 1;

    private int[] _names = []; // hash table: offset + 1 of a name in this block

    public void Check(ref CheckedDirectoryBlock block, Span<byte> data)
    {
        ref CheckedDirectory directory = ref state.Directories[block.Directory];
        Geometry geometry = state.Geometry;
        uint seed = geometry.InodeSeed(directory.Inode, directory.Generation);
        bool isRoot = directory.IsIndexed && block.Logical == 0;
        bool isNode = directory.IsIndexed && !isRoot && LooksLikeNode(data);
        if (geometry.HasMetadataChecksums)
        {
            CheckChecksum(block, data, directory.Inode, seed, isRoot ? BufferKind.HtreeRoot : isNode ? BufferKind.HtreeNode : BufferKind.DirectoryLeaf);
        }
        if (isNode)
        {
            block.MaximumHash = NodeMark;
            return;
        }
        int end = data.Length;
        if (geometry.HasMetadataChecksums && !isRoot && BlockChecksums.HasLeafTail(data))
        {
            end -= DirectoryFormat.TailSize;
        }
        HtreeHashVersion? version = directory.IsIndexed && !isRoot ? state.HashVersionOf(block.Directory) : null;
        CheckEntries(ref block, ref directory, data, end, version);
    }

    private bool LooksLikeNode(ReadOnlySpan<byte> data) => HtreeNode.IsNode(data, state.Format) &&
        ReadUInt16LittleEndian(data[HtreeNode.NodePairs..]) == HtreeNode.Limit(state.Format, HtreeNode.NodePairs);

    private void CheckChecksum(in CheckedDirectoryBlock block, ReadOnlySpan<byte> data, uint inode, uint seed, BufferKind kind)
    {
        if (kind == BufferKind.DirectoryLeaf && !BlockChecksums.HasLeafTail(data))
        {
            state.Findings.Add(2, FindingCode.DirectoryChecksum, $"directory block {block.Logical} has no checksum", inode, block.Physical);
        }
        else if (!state.IsChecksumRight(block.Physical, data, kind, seed))
        {
            state.Findings.Add(2, kind == BufferKind.DirectoryLeaf ? FindingCode.DirectoryChecksum : FindingCode.HtreeChecksum,
                $"directory block {block.Logical} has a wrong checksum", inode, block.Physical);
        }
    }

    private void CheckEntries(ref CheckedDirectoryBlock block, ref CheckedDirectory directory, ReadOnlySpan<byte> data, int end, HtreeHashVersion? version)
    {
        bool hasNames = false;
        int number = 0;
        for (int at = 0; at < end; number++)
        {
            int length = end - at < DirectoryFormat.MinimumEntry ? 0 : state.Format.DecodeLength(ReadUInt16LittleEndian(data[(at + 4)..]));
            int nameLength = length == 0 ? 0 : data[at + 6];
            if (length < DirectoryFormat.MinimumEntry || length % 4 != 0 || nameLength + DirectoryFormat.HeaderSize > length || length > end - at)
            {
                Add(FindingCode.DirectoryEntry, directory.Inode, block, $"the entry at byte {at} of directory block {block.Logical} has the length {length} and a name of {nameLength} bytes");
                return;
            }
            uint inode = ReadUInt32LittleEndian(data[at..]);
            ReadOnlySpan<byte> name = data.Slice(at + DirectoryFormat.HeaderSize, nameLength);
            if (block.Logical == 0 && number < 2)
            {
                CheckDot(block, ref directory, data, at, length, inode, name, number);
            }
            else if (inode != 0)
            {
                if (!hasNames)
                {
                    ClearNames(data.Length);
                    hasNames = true;
                }
                CheckEntry(ref block, ref directory, data, at, inode, name, version);
            }
            at += length;
        }
        if (block.Logical == 0 && number < 2)
        {
            Add(FindingCode.DotEntry, directory.Inode, block, "\"..\" is missing");
        }
    }

    private void CheckDot(in CheckedDirectoryBlock block, ref CheckedDirectory directory, ReadOnlySpan<byte> data, int at, int length, uint inode,
        ReadOnlySpan<byte> name, int number)
    {
        ReadOnlySpan<byte> wanted = number == 0 ? "."u8 : ".."u8;
        string shown = number == 0 ? "\".\"" : "\"..\"";
        if (inode == 0 || !name.SequenceEqual(wanted))
        {
            Add(FindingCode.DotEntry, directory.Inode, block, $"{shown} is missing");
            return;
        }
        if (data[at + DirectoryFormat.HeaderSize + wanted.Length] != 0)
        {
            Add(FindingCode.DotEntry, directory.Inode, block, $"{shown} is not followed by a NUL");
        }
        if (number == 0)
        {
            if (inode != directory.Inode)
            {
                Add(FindingCode.DotEntry, directory.Inode, block, $"\".\" names inode {inode}");
            }
            if (length >= 2 * DirectoryFormat.MinimumEntry)
            {
                Add(FindingCode.DotEntry, directory.Inode, block, $"\".\" takes {length} bytes");
            }
        }
        else
        {
            directory.DotDot = inode;
        }
        CheckType(block, directory.Inode, data[at + 7], (byte)DirectoryEntryType.Directory, name);
        if (inode <= state.Geometry.InodesCount && state.SlotOf(inode) is >= 0 and var slot)
        {
            Count(slot);
        }
    }

    private void CheckEntry(ref CheckedDirectoryBlock block, ref CheckedDirectory directory, ReadOnlySpan<byte> data, int at, uint inode,
        ReadOnlySpan<byte> name, HtreeHashVersion? version)
    {
        Geometry geometry = state.Geometry;
        if (name.IsEmpty || name.SequenceEqual("."u8) || name.SequenceEqual(".."u8) || name.IndexOfAny((byte)'/', (byte)0) >= 0)
        {
            Add(FindingCode.EntryName, directory.Inode, block, name.IsEmpty ? "an entry without a name" : $"the name {Show(name)} is not possible");
            if (name.IsEmpty)
            {
                return;
            }
        }
        NoteHash(ref block, name, version);
        if (IsDuplicate(data, at, name))
        {
            Add(FindingCode.DuplicateName, directory.Inode, block, $"{Show(name)} is there twice");
        }
        if (inode > geometry.InodesCount || inode < geometry.FirstInode)
        {
            Add(FindingCode.EntryInode, directory.Inode, block, $"{Show(name)} names inode {inode}");
            return;
        }
        int slot = state.SlotOf(inode);
        InodeState known = slot < 0 ? InodeState.Free : (InodeState)state.States[slot];
        if ((known & InodeState.InUse) == 0 || ((known & InodeState.Orphan) != 0 && state.Links[slot] == 0))
        {
            Add(FindingCode.EntryUnused, directory.Inode, block, $"{Show(name)} names inode {inode}, which is not in use");
            return;
        }
        if ((known & InodeState.Hidden) != 0)
        {
            Add(FindingCode.EntryInode, directory.Inode, block, $"{Show(name)} names inode {inode}, which is the file system's own");
        }
        byte type = (byte)(known & InodeState.TypeMask);
        if (type != (byte)InodeState.BadType)
        {
            CheckType(block, directory.Inode, data[at + 7], type, name);
        }
        Count(slot);
        if (type == (byte)DirectoryEntryType.Directory)
        {
            TakeChild(block, directory.Inode, inode, name);
        }
    }

    private void TakeChild(in CheckedDirectoryBlock block, uint parent, uint inode, ReadOnlySpan<byte> name)
    {
        int child = state.FindDirectory(inode);
        if (child < 0)
        {
            return;
        }
        if (Interlocked.CompareExchange(ref state.Directories[child].Parent, parent, 0) != 0)
        {
            Add(FindingCode.LinkedDirectory, parent, block, $"{Show(name)} is a second name of directory inode {inode}");
        }
        else if (parent == Ext4Volume.RootInode && name.SequenceEqual("lost+found"u8))
        {
            state.LostAndFound = inode;
        }
    }

    private void CheckType(in CheckedDirectoryBlock block, uint inode, byte stored, byte right, ReadOnlySpan<byte> name)
    {
        if (stored != (state.Format.HasFileType ? right : 0))
        {
            Add(stored == 0 ? FindingCode.EntryTypeUnknown : FindingCode.EntryType, inode, block, $"{Show(name)} has the type {stored}, its inode {right}");
        }
    }

    private void NoteHash(ref CheckedDirectoryBlock block, ReadOnlySpan<byte> name, HtreeHashVersion? version)
    {
        if (version is { } known)
        {
            uint hash = state.Hash.Compute(known, name, out _);
            block.MinimumHash = Math.Min(block.MinimumHash, hash);
            block.MaximumHash = Math.Max(block.MaximumHash, hash);
        }
    }

    private void Count(int slot)
    {
        if (state.Threads == 1)
        {
            state.Names[slot]++;
        }
        else
        {
            Interlocked.Increment(ref state.Names[slot]);
        }
    }

    private void ClearNames(int blockSize)
    {
        int size = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)(blockSize / DirectoryFormat.MinimumEntry) * 2);
        if (_names.Length != size)
        {
            _names = new int[size];
        }
        else
        {
            Array.Clear(_names);
        }
    }

    // Entered once per entry of the block; a block has fewer entries than half of the table.
    private bool IsDuplicate(ReadOnlySpan<byte> data, int at, ReadOnlySpan<byte> name)
    {
        int mask = _names.Length - 1;
        int place = (int)(Crc32C.Compute(0, name) & (uint)mask);
        while (_names[place] != 0)
        {
            int other = _names[place] - 1;
            if (data[other + 6] == name.Length && data.Slice(other + DirectoryFormat.HeaderSize, name.Length).SequenceEqual(name))
            {
                return true;
            }
            place = (place + 1) & mask;
        }
        _names[place] = at + 1;
        return false;
    }

    private static string Show(ReadOnlySpan<byte> name) => $"\"{System.Text.Encoding.UTF8.GetString(name)}\"";

    private void Add(FindingCode code, uint inode, in CheckedDirectoryBlock block, string text) =>
        state.Findings.Add(2, code, text, inode, block.Physical);
}
