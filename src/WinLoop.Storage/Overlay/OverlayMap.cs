using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Storage.Overlay;

/// <summary>Where the content of a block is.</summary>
internal enum BlockPlace : byte
{
    /// <summary>In the base.</summary>
    Base = 0,

    /// <summary>In the overlay file.</summary>
    Overlay = 1,

    /// <summary>Nowhere: the block is zeroes.</summary>
    Zero = 2,
}

/// <summary>
/// The map of an overlay in memory: two bits for each block. A sector of it on the disk is
/// <code>
/// 0 CRC-32 of bytes 4 to 511   4 number of the sector (u32)   8 states of 2,016 blocks, two bits each, lowest first
/// </code>
/// or all zeroes as long as all its blocks are in the base. Each sector is whole by itself and is written without tearing;
/// a block never goes back to the base, so an old sector beside new ones is an older truth and no contradiction.
/// </summary>
/// <remarks>Looking needs no lock. Memory: 504 bytes for each sector with a block that is not in the base.</remarks>
internal sealed class OverlayMap
{
    private const int ReadSize = 256 * OverlayLayout.SectorSize;

    private readonly OverlayLayout _layout;
    private readonly byte[]?[] _sectors;
    private readonly HashSet<int> _dirty = [];
    private readonly Lock _gate = new();
    private long _inOverlay;

    internal OverlayMap(OverlayLayout layout)
    {
        _layout = layout;
        _sectors = new byte[layout.MapSectors][];
    }

    /// <summary>How many blocks have their content in the overlay file.</summary>
    internal long BlocksInOverlay => Interlocked.Read(ref _inOverlay);

    /// <summary>Reads the map of a file and checks every sector.</summary>
    internal static OverlayMap Load(IBlockDevice file, OverlayLayout layout)
    {
        var map = new OverlayMap(layout);
        byte[] buffer = new byte[ReadSize];
        for (int first = 0; first < layout.MapSectors; first += ReadSize / OverlayLayout.SectorSize)
        {
            int count = Math.Min(ReadSize / OverlayLayout.SectorSize, layout.MapSectors - first);
            Span<byte> part = buffer.AsSpan(0, count * OverlayLayout.SectorSize);
            file.Read(part, OverlayLayout.MapOffset + ((long)first * OverlayLayout.SectorSize));
            if (!part.ContainsAnyExcept((byte)0))
            {
                continue;
            }

            for (int i = 0; i < count; i++)
            {
                map.Take(first + i, part.Slice(i * OverlayLayout.SectorSize, OverlayLayout.SectorSize));
            }
        }

        return map;
    }

    /// <summary>Where a block is.</summary>
    internal BlockPlace this[long block]
    {
        get
        {
            (int sector, int index) = Locate(block);
            return Volatile.Read(ref _sectors[sector]) is { } states
                ? (BlockPlace)((Volatile.Read(ref states[index >> 2]) >> ((index & 3) * 2)) & 3)
                : BlockPlace.Base;
        }
    }

    /// <summary>How many blocks from <paramref name="block"/> on are in the same place, up to <paramref name="end"/>.</summary>
    internal long RunOf(long block, long end, out BlockPlace place)
    {
        place = this[block];
        long next = block + 1;
        while (next < end && this[next] == place)
        {
            next++;
        }

        return next - block;
    }

    /// <summary>Moves blocks; what is written there must have been written.</summary>
    internal void Set(long block, long count, BlockPlace place)
    {
        lock (_gate)
        {
            for (long end = block + count; block < end; block++)
            {
                (int sector, int index) = Locate(block);
                byte[] states = _sectors[sector] ?? Make(sector);
                int shift = (index & 3) * 2;
                BlockPlace old = (BlockPlace)((states[index >> 2] >> shift) & 3);
                if (old == place)
                {
                    continue;
                }

                _inOverlay += place == BlockPlace.Overlay ? 1 : old == BlockPlace.Overlay ? -1 : 0;
                Volatile.Write(ref states[index >> 2], (byte)((states[index >> 2] & ~(3 << shift)) | ((int)place << shift)));
                _dirty.Add(sector);
            }
        }
    }

    /// <summary>The sectors that have changed since they were taken last, as they are now, in order of their numbers.</summary>
    internal List<(int Sector, byte[] Content)> TakeDirty()
    {
        lock (_gate)
        {
            var list = new List<(int, byte[])>(_dirty.Count);
            foreach (int sector in _dirty.Order())
            {
                list.Add((sector, Encode(sector)));
            }

            _dirty.Clear();
            return list;
        }
    }

    /// <summary>Those that were taken could not be written.</summary>
    internal void GiveBack(IEnumerable<(int Sector, byte[] Content)> taken)
    {
        lock (_gate)
        {
            foreach ((int sector, _) in taken)
            {
                _dirty.Add(sector);
            }
        }
    }

    private static (int Sector, int Index) Locate(long block) =>
        ((int)(block / OverlayLayout.BlocksPerSector), (int)(block % OverlayLayout.BlocksPerSector));

    private byte[] Make(int sector)
    {
        byte[] states = new byte[OverlayLayout.MapSectorBytes];
        Volatile.Write(ref _sectors[sector], states);
        return states;
    }

    private byte[] Encode(int sector)
    {
        byte[] content = new byte[OverlayLayout.SectorSize];
        WriteInt32LittleEndian(content.AsSpan(4), sector);
        _sectors[sector]!.CopyTo(content, OverlayLayout.MapSectorHeader);
        WriteUInt32LittleEndian(content, Crc32.Compute(content.AsSpan(4)));
        return content;
    }

    private void Take(int sector, ReadOnlySpan<byte> content)
    {
        if (!content.ContainsAnyExcept((byte)0))
        {
            return;
        }

        if (ReadUInt32LittleEndian(content) != Crc32.Compute(content[4..]) || ReadInt32LittleEndian(content[4..]) != sector)
        {
            throw OverlayHeader.Damaged($"the checksum of sector {sector} of its map is wrong");
        }

        byte[] states = content[OverlayLayout.MapSectorHeader..].ToArray();
        long first = (long)sector * OverlayLayout.BlocksPerSector;
        for (int i = 0; i < OverlayLayout.BlocksPerSector; i++)
        {
            BlockPlace place = (BlockPlace)((states[i >> 2] >> ((i & 3) * 2)) & 3);
            if (place > BlockPlace.Zero || (place != BlockPlace.Base && first + i >= _layout.Blocks))
            {
                throw OverlayHeader.Damaged($"sector {sector} of its map says of block {first + i} what cannot be");
            }

            _inOverlay += place == BlockPlace.Overlay ? 1 : 0;
        }

        _sectors[sector] = states;
    }
}
