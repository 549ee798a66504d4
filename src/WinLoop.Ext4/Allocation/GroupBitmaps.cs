using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;

namespace WinLoop.Ext4.Allocation;

/// <summary>
/// The loaded block bitmaps, or the loaded inode bitmaps, of a volume: a bounded number, read and checked
/// when first needed, computed where the descriptor says that the disk has none.
/// </summary>
internal sealed class GroupBitmaps
{
    private const int ChunkBits = 9;
    private const long MemoryBytes = 8 << 20;
    private const int SpareArrays = 16;

    private readonly Ext4Volume _volume;
    private readonly Geometry _geometry;
    private readonly BufferKind _kind;
    private readonly int _bits;
    private readonly int _words;
    private readonly int _capacity;
    private volatile GroupBitmap?[]?[] _chunks;
    private readonly ConcurrentQueue<uint> _clock = new();
    private readonly ConcurrentStack<ulong[]> _spare = new();
    private int _count;
    private volatile ushort[]? _hints;

    /// <param name="volume">The volume.</param>
    /// <param name="kind">Block or inode bitmaps.</param>
    public GroupBitmaps(Ext4Volume volume, BufferKind kind)
    {
        _volume = volume;
        _geometry = volume.Geometry;
        _kind = kind;
        _bits = (int)(kind == BufferKind.BlockBitmap ? _geometry.BlocksPerGroup : _geometry.InodesPerGroup);
        // A bigalloc volume is never written; its bitmaps are in clusters and never loaded here.
        _bits = Math.Min(_bits, _geometry.BlockSize * 8);
        _words = (_bits + 63) >> 6;
        _capacity = (int)Math.Clamp(MemoryBytes / (2 * _geometry.BlockSize), 32, 4096);
        _chunks = new GroupBitmap?[]?[(int)((_geometry.GroupCount >> ChunkBits) + 1)];
    }

    /// <summary>Bitmaps loaded now.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Per group an upper bound of what one search can find there, at most 65,535 (which stands for
    /// more, too): the longest free run of blocks, or the free inodes. Changed under the group's lock.</summary>
    public ushort[] Hints => _hints!;

    /// <summary>Fills <see cref="Hints"/> from the descriptors, which are all loaded. Called once.</summary>
    public void InitializeHints()
    {
        var hints = new ushort[_geometry.GroupCount];
        for (uint group = 0; group < hints.Length; group++)
        {
            ref GroupState state = ref _volume.Groups.Get(group);
            hints[group] = (ushort)Math.Min(_kind == BufferKind.BlockBitmap ? state.FreeBlocks : state.FreeInodes, ushort.MaxValue);
        }
        _hints = hints;
    }

    /// <summary>Makes room for groups that were added, and says what they have free. The caller holds every group's lock.</summary>
    /// <param name="first">The first of them.</param>
    /// <param name="added">Their descriptors.</param>
    public void Extend(uint first, ReadOnlySpan<GroupState> added)
    {
        uint groups = first + (uint)added.Length;
        GroupBitmap?[]?[] chunks = _chunks;
        int needed = (int)((groups >> ChunkBits) + 1);
        if (needed > chunks.Length)
        {
            Array.Resize(ref chunks, needed);
            _chunks = chunks;
        }
        ushort[] hints = _hints!;
        Array.Resize(ref hints, (int)groups);
        for (int i = 0; i < added.Length; i++)
        {
            hints[first + (uint)i] = (ushort)Math.Min(_kind == BufferKind.BlockBitmap ? added[i].FreeBlocks : added[i].FreeInodes, ushort.MaxValue);
        }
        _hints = hints;
    }

    /// <summary>Has no hints for groups any more that were cut off. The caller is the volume's only user.</summary>
    public void Cut(uint groups)
    {
        ushort[] hints = _hints!;
        Array.Resize(ref hints, (int)groups);
        _hints = hints;
    }

    /// <summary>The group's bitmap; the caller holds the group's lock and keeps it while it uses the answer.</summary>
    /// <exception cref="Ext4CorruptException">The bitmap contradicts its checksum, the descriptor or the format.</exception>
    public GroupBitmap Get(uint group)
    {
        GroupBitmap?[]? chunk = Volatile.Read(ref _chunks[(int)(group >> ChunkBits)]);
        if (chunk is not null && chunk[(int)(group & ((1 << ChunkBits) - 1))] is { } loaded)
        {
            loaded.IsRecent = true;
            return loaded;
        }
        return Load(group);
    }

    /// <summary>The group's bitmap if it is loaded; the caller holds the group's lock.</summary>
    public GroupBitmap? TryGetLoaded(uint group) =>
        Volatile.Read(ref _chunks[(int)(group >> ChunkBits)])?[(int)(group & ((1 << ChunkBits) - 1))];

    /// <summary>The numbers of the groups that are loaded now.</summary>
    public uint[] LoadedGroups() => [.. _clock];

    private GroupBitmap Load(uint group)
    {
        ref GroupState state = ref _volume.Groups.Get(group);
        bool isBlocks = _kind == BufferKind.BlockBitmap;
        GroupMarks corrupt = isBlocks ? GroupMarks.BlocksCorrupt : GroupMarks.InodesCorrupt;
        if (state.Has(corrupt))
        {
            throw Corrupt(group, "was found damaged before");
        }
        bool isVirtual = state.Has(isBlocks ? GroupFlags.BlockUninit : GroupFlags.InodeUninit);
        ulong block = isBlocks ? state.BlockBitmap : state.InodeBitmap;
        MetadataBuffer buffer = isVirtual ? _volume.Cache.GetNew(block, _kind, group) : _volume.Cache.Read(block, _kind, group);
        try
        {
            if (isVirtual)
            {
                Compute(group, buffer.Data);
            }
            if (Check(group, in state, buffer.Data, isVirtual) is { } problem)
            {
                state.Marks |= corrupt;
                if (_hints is not null)
                {
                    _hints[group] = 0;
                }
                throw Corrupt(group, problem);
            }
        }
        catch
        {
            buffer.Dispose();
            throw;
        }
        ulong[] busy = _spare.TryPop(out ulong[]? spare) ? spare : new ulong[_words];
        var bitmap = new GroupBitmap(group, buffer, busy) { IsRecent = true };
        bitmap.Disk.CopyTo(busy);
        ref GroupBitmap?[]? place = ref _chunks[(int)(group >> ChunkBits)];
        GroupBitmap?[] chunk = Volatile.Read(ref place) ??
            Interlocked.CompareExchange(ref place, new GroupBitmap?[1 << ChunkBits], null) ?? place!;
        chunk[(int)(group & ((1 << ChunkBits) - 1))] = bitmap;
        _clock.Enqueue(group);
        if (Interlocked.Increment(ref _count) > _capacity)
        {
            Evict(group, 8);
        }
        return bitmap;
    }

    // The content of a bitmap that is not on disk.
    private void Compute(uint group, Span<byte> data)
    {
        Span<ulong> words = MemoryMarshal.Cast<byte, ulong>(data);
        int used = UsedBits(group);
        Bitmap.Set(words, used, (data.Length * 8) - used);
        if (_kind == BufferKind.BlockBitmap)
        {
            ulong start = _geometry.GroupStart(group);
            SystemZone zone = _volume.Groups.Zone;
            for (int at = -1; zone.TryNext(group, ref at, out BlockRun part);)
            {
                Bitmap.Set(words, (int)(part.Start - start), (int)(part.End - part.Start));
            }
        }
    }

    // What is wrong with a bitmap; null if nothing.
    private string? Check(uint group, in GroupState state, ReadOnlySpan<byte> data, bool isVirtual)
    {
        bool isBlocks = _kind == BufferKind.BlockBitmap;
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(data);
        // A changed bitmap is still in the cache, and its checksum is made when the transaction closes.
        if (_geometry.HasMetadataChecksums && !isVirtual &&
            !state.Has(isBlocks ? GroupMarks.BlockBitmapChanged : GroupMarks.InodeBitmapChanged))
        {
            uint crc = Crc32C.Compute(_geometry.ChecksumSeed, data[..(_bits / 8)]);
            uint stored = isBlocks ? state.BlockBitmapChecksum : state.InodeBitmapChecksum;
            if (_geometry.DescriptorSize < 64)
            {
                crc &= 0xFFFF;
            }
            if (crc != stored)
            {
                return "wrong checksum";
            }
        }
        int used = UsedBits(group);
        if (!Bitmap.AreSet(words, used, (data.Length * 8) - used))
        {
            return "bits behind the group's end are clear";
        }
        int free = Bitmap.CountZeroes(words);
        uint expected = isBlocks ? state.FreeBlocks : state.FreeInodes;
        if (free != expected)
        {
            return $"{free} clear bits, but {expected} free in the descriptor";
        }
        if (!isBlocks)
        {
            int unused = (int)state.InodeTableUnused;
            return Bitmap.AreClear(words, _bits - unused, unused) ? null : "an inode behind itable_unused is in use";
        }
        ulong start = _geometry.GroupStart(group);
        SystemZone zone = _volume.Groups.Zone;
        for (int at = -1; zone.TryNext(group, ref at, out BlockRun part);)
        {
            if (!Bitmap.AreSet(words, (int)(part.Start - start), (int)(part.End - part.Start)))
            {
                return $"metadata at block {part.Start} is not in use";
            }
        }
        return null;
    }

    private int UsedBits(uint group) => _kind == BufferKind.BlockBitmap ? (int)_geometry.BlocksInGroup(group) : _bits;

    private Ext4CorruptException Corrupt(uint group, string what) =>
        new($"{(_kind == BufferKind.BlockBitmap ? "block" : "inode")} bitmap of group {group}", what);

    /// <summary>Goes back to the bound after a commit has let go of groups; called with no group's lock held.</summary>
    public void Trim()
    {
        if (Count > _capacity)
        {
            Evict(uint.MaxValue, 2 * Count);
        }
    }

    // Two group locks are never waited for; a group that is busy elsewhere stays.
    private void Evict(uint keep, int budget)
    {
        for (; budget > 0 && Count > _capacity && _clock.TryDequeue(out uint group); budget--)
        {
            if (group == keep || !Monitor.TryEnter(_volume.Groups.LockOf(group)))
            {
                _clock.Enqueue(group);
                continue;
            }
            try
            {
                GroupBitmap bitmap = TryGetLoaded(group)!;
                if (bitmap.Held > 0 || bitmap.IsRecent)
                {
                    bitmap.IsRecent = false;
                    _clock.Enqueue(group);
                    continue;
                }
                _chunks[(int)(group >> ChunkBits)]![(int)(group & ((1 << ChunkBits) - 1))] = null;
                bitmap.Buffer.Dispose();
                if (_spare.Count < SpareArrays)
                {
                    _spare.Push(bitmap.Busy);
                }
                Interlocked.Decrement(ref _count);
            }
            finally
            {
                Monitor.Exit(_volume.Groups.LockOf(group));
            }
        }
    }
}
