using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using WinLoop.Ext4.Format;
using WinLoop.Storage;

namespace WinLoop.Ext4.Cache;

/// <summary>
/// The bounded cache of metadata blocks. File content never enters it. Buffers live in native memory, so
/// that the garbage collector never sees them; a clock hand chooses what leaves.
/// </summary>
internal sealed unsafe class BlockCache : IDisposable
{
    private readonly IBlockDevice _device;
    private readonly Geometry _geometry;
    private readonly IBlockVerifier _verifier;
    private readonly ConcurrentDictionary<ulong, MetadataBuffer> _buffers;
    private readonly ConcurrentStack<nint> _freeMemory = new();
    private readonly ConcurrentQueue<MetadataBuffer> _clock = new();
    private readonly int _capacity;
    private int _count;
    private int _evicting;
    private bool _disposed;

    /// <param name="device">Where blocks are read from.</param>
    /// <param name="geometry">The volume's.</param>
    /// <param name="verifier">Checks a block's checksum when it is first read as a kind.</param>
    /// <param name="capacityBytes">Bound in bytes; buffers in use or not yet written home may exceed it.</param>
    public BlockCache(IBlockDevice device, Geometry geometry, IBlockVerifier verifier, long capacityBytes)
    {
        _device = device;
        _geometry = geometry;
        _verifier = verifier;
        BlockSize = geometry.BlockSize;
        _capacity = (int)Math.Clamp(capacityBytes / BlockSize, 64, 1 << 24);
        _buffers = new ConcurrentDictionary<ulong, MetadataBuffer>(Environment.ProcessorCount * 4, 1024);
    }

    /// <summary>Bytes per block.</summary>
    public int BlockSize { get; }

    /// <summary>Buffers held now.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>The bound in buffers.</summary>
    public int Capacity => _capacity;

    /// <summary>A reference to a block, read and verified if it is not cached.</summary>
    /// <param name="block">Physical block number; must be inside the volume.</param>
    /// <param name="kind">What the caller takes it for.</param>
    /// <param name="seed">The owner's checksum seed (see <see cref="MetadataBuffer.Seed"/>).</param>
    /// <exception cref="Ext4CorruptException">Outside the volume, or the checksum is wrong.</exception>
    public MetadataBuffer Read(ulong block, BufferKind kind, uint seed = 0)
    {
        if (block >= _geometry.BlocksCount)
        {
            throw new Ext4CorruptException($"block {block}", $"beyond the volume ({kind})");
        }
        MetadataBuffer buffer = Get(block);
        if (!(buffer.IsVerified && buffer.VerifiedKind == kind && buffer.Seed == seed))
        {
            try
            {
                LoadAndVerify(buffer, kind, seed);
            }
            catch
            {
                buffer.Dispose();
                throw;
            }
        }
        buffer.IsRecent = true;
        return buffer;
    }

    /// <summary>A reference to a freshly allocated block: zero-filled, not read from the device.</summary>
    public MetadataBuffer GetNew(ulong block, BufferKind kind, uint seed = 0)
    {
        MetadataBuffer buffer = Get(block);
        lock (buffer)
        {
            buffer.Data.Clear();
            buffer.IsLoaded = true;
            buffer.IsStructureChecked = false;
            buffer.Kind = kind;
            buffer.VerifiedKind = kind;
            buffer.Seed = seed;
            buffer.IsForgotten = false;
            buffer.IsVerified = true;
        }
        buffer.IsRecent = true;
        return buffer;
    }

    /// <summary>True if a read of the block would not go to the device.</summary>
    public bool IsCached(ulong block) => _buffers.TryGetValue(block, out MetadataBuffer? buffer) && buffer.IsLoaded;

    /// <summary>Has the device begin to read blocks that will be needed soon.</summary>
    /// <param name="first">Physical block number.</param>
    /// <param name="count">Blocks; what lies outside the volume is left out.</param>
    public void Prefetch(ulong first, ulong count)
    {
        if (first < _geometry.BlocksCount)
        {
            count = Math.Min(count, _geometry.BlocksCount - first);
            _device.Prefetch((long)(first << _geometry.BlockSizeBits), (long)(count << _geometry.BlockSizeBits));
        }
    }

    /// <summary>A reference to the block's buffer if it is cached; null otherwise.</summary>
    public MetadataBuffer? TryGetCached(ulong block) =>
        _buffers.TryGetValue(block, out MetadataBuffer? buffer) && buffer.TryReference() ? buffer : null;

    /// <summary>Drops a clean block so that the next reader sees the device again (freed or rewritten blocks).</summary>
    public void Invalidate(ulong block)
    {
        if (_buffers.TryGetValue(block, out MetadataBuffer? buffer))
        {
            lock (buffer)
            {
                if (buffer.IsEvictable)
                {
                    buffer.IsLoaded = false;
                    buffer.IsVerified = false;
                }
            }
        }
    }

    private MetadataBuffer Get(ulong block)
    {
        while (true)
        {
            if (_buffers.TryGetValue(block, out MetadataBuffer? found))
            {
                if (found.TryReference())
                {
                    return found;
                }
                // Retired between lookup and reference: help its removal along and look again.
                _buffers.TryRemove(new KeyValuePair<ulong, MetadataBuffer>(block, found));
                continue;
            }
            byte* memory = TakeMemory();
            var buffer = new MetadataBuffer(this, block, memory);
            if (_buffers.TryAdd(block, buffer))
            {
                _clock.Enqueue(buffer);
                if (Interlocked.Increment(ref _count) > _capacity)
                {
                    Evict();
                }
                return buffer;
            }
            ReturnMemory(memory);
        }
    }

    private void LoadAndVerify(MetadataBuffer buffer, BufferKind kind, uint seed)
    {
        lock (buffer)
        {
            if (!buffer.IsLoaded)
            {
                _device.Read(buffer.Data, (long)(buffer.Block << _geometry.BlockSizeBits));
                buffer.IsLoaded = true;
                buffer.IsVerified = false;
            }
            if (buffer.IsVerified && buffer.VerifiedKind == kind && buffer.Seed == seed)
            {
                return;
            }
            if (buffer.IsVerified && !buffer.IsEvictable)
            {
                // One block, two owners: the changes of one would be read as the other's.
                throw new Ext4CorruptException($"block {buffer.Block}", $"in use as {buffer.VerifiedKind} and as {kind}");
            }
            _verifier.Verify(buffer.Block, buffer.Data, kind, seed);
            buffer.IsStructureChecked = false;
            buffer.Kind = kind;
            buffer.VerifiedKind = kind;
            buffer.Seed = seed;
            buffer.IsVerified = true;
        }
    }

    // One thread at a time moves the hand; others go on above the bound for a moment.
    private void Evict()
    {
        if (Interlocked.Exchange(ref _evicting, 1) != 0)
        {
            return;
        }
        int budget = 64;
        while (Volatile.Read(ref _count) > _capacity && budget-- > 0 && _clock.TryDequeue(out MetadataBuffer? candidate))
        {
            if (candidate.IsRecent)
            {
                candidate.IsRecent = false;
                _clock.Enqueue(candidate);
            }
            else if (!candidate.IsEvictable || !candidate.TryRetire())
            {
                _clock.Enqueue(candidate);
            }
            else
            {
                // A handle joins only through a reference, so a retired buffer cannot have become dirty.
                _buffers.TryRemove(new KeyValuePair<ulong, MetadataBuffer>(candidate.Block, candidate));
                Interlocked.Decrement(ref _count);
                ReturnMemory(candidate.TakeMemory());
            }
        }
        Volatile.Write(ref _evicting, 0);
    }

    private byte* TakeMemory() =>
        _freeMemory.TryPop(out nint memory)
            ? (byte*)memory
            : (byte*)NativeMemory.AlignedAlloc((nuint)BlockSize, (nuint)Math.Max(BlockSize, 4096));

    private void ReturnMemory(byte* memory) => _freeMemory.Push((nint)memory);

    /// <summary>Frees all memory; the caller has made sure that no buffer is in use.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }
        _disposed = true;
        foreach (MetadataBuffer buffer in _buffers.Values)
        {
            byte* memory = buffer.TakeMemory();
            if (memory != null)
            {
                NativeMemory.AlignedFree(memory);
            }
        }
        _buffers.Clear();
        while (_freeMemory.TryPop(out nint memory))
        {
            NativeMemory.AlignedFree((void*)memory);
        }
    }
}

/// <summary>Verifies the checksum of a block that is read for the first time as a kind.</summary>
internal interface IBlockVerifier
{
    /// <exception cref="Ext4CorruptException">The stored checksum does not match.</exception>
    void Verify(ulong block, ReadOnlySpan<byte> data, BufferKind kind, uint seed);
}
