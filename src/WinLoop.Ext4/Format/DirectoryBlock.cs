using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Format;

/// <summary>
/// One block of <c>struct ext4_dir_entry_2</c>: a block of a linear directory or a leaf of an htree. A view
/// for a short while; every entry that is passed over is checked.
/// </summary>
/// <remarks>Entries tile the block up to <see cref="End"/>. Offsets are bytes from the block's start.</remarks>
internal readonly ref struct DirectoryBlock
{
    private readonly Span<byte> _data;
    private readonly DirectoryFormat _format;
    private readonly uint _directory;
    private readonly uint _logical;

    /// <param name="data">The block.</param>
    /// <param name="format">The volume's.</param>
    /// <param name="directory">Inode number of the directory, for messages.</param>
    /// <param name="logical">Logical block number, for messages.</param>
    /// <param name="isIndex">It is an index block, which to a linear reader has few entries and no tail; what
    /// looks like a tail there is what the kernel left behind.</param>
    public DirectoryBlock(Span<byte> data, DirectoryFormat format, uint directory, uint logical, bool isIndex = false)
    {
        _data = data;
        _format = format;
        _directory = directory;
        _logical = logical;
        // A block from before metadata_csum was turned on has no tail; its entries reach to the end.
        End = format.HasTail && !isIndex && HasTail(data) ? data.Length - DirectoryFormat.TailSize : data.Length;
    }

    /// <summary>Where the entries end.</summary>
    public int End { get; }

    /// <summary>The whole block.</summary>
    public Span<byte> Data => _data;

    /// <summary>The entry at an offset that a search returned.</summary>
    public DirectoryRecord this[int offset] => Read(offset);

    /// <summary>Finds a live entry by name.</summary>
    /// <param name="name">1..255 bytes.</param>
    /// <param name="previous">Offset of the entry before the found one; −1 if it is the first.</param>
    /// <returns>Its offset; −1 if there is none.</returns>
    /// <exception cref="Ext4CorruptException">An entry on the way is impossible.</exception>
    public int Find(ReadOnlySpan<byte> name, out int previous)
    {
        ref byte start = ref MemoryMarshal.GetReference(_data);
        var wanted = new NameKey(name);
        int end = End;
        uint inodes = _format.InodesCount;
        int offset = 0;
        previous = -1;
        while (offset <= end - DirectoryFormat.MinimumEntry)
        {
            ulong header = Header(ref start, offset);
            uint inode = (uint)(header & 0xFFFFFFFF);
            int length = (int)(header >> 32 & 0xFFFF);
            int nameLength = (int)(header >> 48 & 0xFF);
            if ((length & 3) != 0 || length < nameLength + DirectoryFormat.HeaderSize || length < DirectoryFormat.MinimumEntry ||
                length > end - offset || inode > inodes)
            {
                length = Read(offset).Length;
            }
            if (nameLength == name.Length && inode != 0 &&
                wanted.Matches(ref Unsafe.Add(ref start, offset + DirectoryFormat.HeaderSize)) &&
                (nameLength <= NameKey.Covered || name.SequenceEqual(_data.Slice(offset + DirectoryFormat.HeaderSize, nameLength))))
            {
                return offset;
            }
            previous = offset;
            offset += length;
        }
        if (offset != end)
        {
            ThrowCorrupt(offset, "the entries do not fill the block");
        }
        previous = -1;
        return -1;
    }

    /// <summary>The offset of the first entry with room for <paramref name="need"/> bytes; −1 if there is none.</summary>
    /// <param name="need">See <see cref="DirectoryFormat.Need"/>.</param>
    /// <param name="used">Bytes that live entries need (of all that were passed).</param>
    public int FindRoom(int need, out int used)
    {
        used = 0;
        int offset = 0;
        while (offset < End)
        {
            DirectoryRecord entry = Read(offset);
            int own = entry.Inode == 0 ? 0 : DirectoryFormat.Need(entry.NameLength);
            if (entry.Length - own >= need)
            {
                return offset;
            }
            used += own;
            offset += entry.Length;
        }
        return -1;
    }

    /// <summary>The next live entry from <paramref name="offset"/> on; false at the end.</summary>
    /// <param name="offset">Where to look; then behind the entry found.</param>
    /// <param name="entry">The entry.</param>
    public bool MoveNext(ref int offset, out DirectoryRecord entry)
    {
        while (offset < End)
        {
            entry = Read(offset);
            offset += entry.Length;
            if (entry.Inode != 0)
            {
                return true;
            }
        }
        entry = default;
        return false;
    }

    /// <summary>The name of an entry of this block.</summary>
    public ReadOnlySpan<byte> Name(scoped in DirectoryRecord entry) =>
        _data.Slice(entry.Offset + DirectoryFormat.HeaderSize, entry.NameLength);

    /// <summary>The name of the entry at an offset that was visited before.</summary>
    public ReadOnlySpan<byte> NameAt(int offset) => _data.Slice(offset + DirectoryFormat.HeaderSize, _data[offset + 6]);

    /// <summary>Reads and checks the entry at an offset.</summary>
    public DirectoryRecord Read(int offset)
    {
        if ((uint)offset > (uint)(End - DirectoryFormat.MinimumEntry))
        {
            ThrowCorrupt(offset, "the entries do not fill the block");
        }
        ulong header = Header(ref MemoryMarshal.GetReference(_data), offset);
        uint inode = (uint)(header & 0xFFFFFFFF);
        int length = _format.DecodeLength((int)(header >> 32 & 0xFFFF));
        int nameLength = (int)(header >> 48 & 0xFF);
        if ((length & 3) != 0 || length < DirectoryFormat.MinimumEntry || length > End - offset)
        {
            ThrowCorrupt(offset, $"rec_len {length}");
        }
        if (length < nameLength + DirectoryFormat.HeaderSize)
        {
            ThrowCorrupt(offset, $"rec_len {length} for a name of {nameLength} bytes");
        }
        if (inode > _format.InodesCount)
        {
            ThrowCorrupt(offset, $"inode {inode} of {_format.InodesCount}");
        }
        if (inode != 0 && nameLength == 0)
        {
            ThrowCorrupt(offset, "an entry without a name");
        }
        var type = _format.HasFileType ? (DirectoryEntryType)(byte)(header >> 56) : DirectoryEntryType.Unknown;
        return new DirectoryRecord(offset, inode, length, nameLength, type <= DirectoryEntryType.Symlink ? type : DirectoryEntryType.Unknown);
    }

    /// <summary>Checks that "." and ".." are the first two entries and returns the parent's number.</summary>
    /// <param name="behind">The offset behind "..".</param>
    public uint ReadDots(out int behind)
    {
        DirectoryRecord self = Read(0);
        if (self.Length != DirectoryFormat.MinimumEntry || !Name(self).SequenceEqual("."u8) || self.Inode != _directory)
        {
            ThrowCorrupt(0, "\".\" is missing or wrong");
        }
        DirectoryRecord parent = Read(self.Length);
        if (!Name(parent).SequenceEqual(".."u8) || parent.Inode == 0)
        {
            ThrowCorrupt(self.Length, "\"..\" is missing or wrong");
        }
        behind = self.Length + parent.Length;
        return parent.Inode;
    }

    [DoesNotReturn]
    private void ThrowCorrupt(int offset, string what) =>
        throw new Ext4CorruptException($"directory inode {_directory}, block {_logical}, byte {offset}", what);

    private static bool HasTail(ReadOnlySpan<byte> data) => Cache.BlockChecksums.HasLeafTail(data);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Header(ref byte start, int offset)
    {
        ulong raw = Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref start, offset));
        return BitConverter.IsLittleEndian ? raw : ReverseEndianness(raw);
    }

    // The first and the last eight bytes of a name: names in one directory often start alike. All bytes are
    // compared as they lie in memory; those behind a short name are masked out, and lie inside its entry.
    private readonly ref struct NameKey
    {
        /// <summary>Up to this length nothing more needs to be compared.</summary>
        public const int Covered = 16;

        private readonly ulong _first, _firstMask, _last;
        private readonly int _lastAt;

        public NameKey(ReadOnlySpan<byte> name)
        {
            Span<byte> bytes = stackalloc byte[2 * sizeof(ulong)];
            bytes.Clear();
            int count = Math.Min(name.Length, sizeof(ulong));
            name[..count].CopyTo(bytes);
            bytes.Slice(sizeof(ulong), count).Fill(0xFF);
            _first = MemoryMarshal.Read<ulong>(bytes);
            _firstMask = MemoryMarshal.Read<ulong>(bytes[sizeof(ulong)..]);
            _lastAt = name.Length - sizeof(ulong);
            _last = _lastAt > 0 ? MemoryMarshal.Read<ulong>(name[_lastAt..]) : 0;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public bool Matches(ref byte entryName)
        {
            if (_lastAt > 0)
            {
                return Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref entryName, _lastAt)) == _last &&
                    Unsafe.ReadUnaligned<ulong>(ref entryName) == _first;
            }
            if (_lastAt > -sizeof(uint))
            {
                return ((Unsafe.ReadUnaligned<ulong>(ref entryName) ^ _first) & _firstMask) == 0;
            }
            return ((Unsafe.ReadUnaligned<uint>(ref entryName) ^ (uint)_first) & (uint)_firstMask) == 0;
        }
    }
}

/// <summary>The header of one entry.</summary>
/// <param name="Offset">Bytes from the block's start.</param>
/// <param name="Inode">Inode number; 0 in a free entry.</param>
/// <param name="Length">rec_len in bytes, decoded.</param>
/// <param name="NameLength">Bytes of the name.</param>
/// <param name="Type">Type; unknown without the filetype feature.</param>
internal readonly record struct DirectoryRecord(int Offset, uint Inode, int Length, int NameLength, DirectoryEntryType Type);
