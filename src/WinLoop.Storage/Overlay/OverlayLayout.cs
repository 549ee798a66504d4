namespace WinLoop.Storage.Overlay;

/// <summary>
/// Where things are in an overlay file (version 1). The content of a block of the base has a fixed place in the file, so
/// there are no pointers: the map only says for each block where its content is. The file is sparse.
/// <code>
/// 0      header          fixed when the file is made
/// 512    volumes         the ext file systems in the base then
/// 1024   state, slot 0   } the valid one with the larger number holds
/// 1536   state, slot 1   }
/// 2048   path of the base, for messages
/// 4096   map             a sector for every 2,016 blocks
/// ...    content         block n of the base at n * 4096 from here
/// </code>
/// All numbers are little-endian.
/// </summary>
internal readonly struct OverlayLayout
{
    /// <summary>Bytes that are in the overlay or not.</summary>
    internal const int BlockSize = 4096;

    /// <summary>What is written without tearing.</summary>
    internal const int SectorSize = 512;

    internal const int VolumesOffset = 512;
    internal const int StateOffset = 1024;
    internal const int PathOffset = 2048;
    internal const int MapOffset = 4096;

    /// <summary>Bytes of a map sector in front of the block states.</summary>
    internal const int MapSectorHeader = 8;

    /// <summary>Bytes of a map sector with block states, four in each.</summary>
    internal const int MapSectorBytes = SectorSize - MapSectorHeader;

    /// <summary>Blocks of a map sector.</summary>
    internal const int BlocksPerSector = MapSectorBytes * 4;

    /// <summary>The largest base: keeps the map in memory small, and every sum below far from overflow.</summary>
    internal const long MaxBaseLength = 64L << 40;

    internal OverlayLayout(long baseLength)
    {
        BaseLength = baseLength;
        Blocks = (baseLength + BlockSize - 1) / BlockSize;
        MapSectors = (int)((Blocks + BlocksPerSector - 1) / BlocksPerSector);
        ContentOffset = RoundUp(MapOffset + ((long)MapSectors * SectorSize));
        FileLength = ContentOffset + (Blocks * BlockSize);
    }

    /// <summary>Bytes of the base.</summary>
    internal long BaseLength { get; }

    /// <summary>Blocks of the base; the last one may be a part of one.</summary>
    internal long Blocks { get; }

    internal int MapSectors { get; }

    /// <summary>First byte of the content.</summary>
    internal long ContentOffset { get; }

    /// <summary>Bytes of the file.</summary>
    internal long FileLength { get; }

    /// <summary>Bytes of a block that are in the base.</summary>
    internal int LengthOf(long block) => (int)Math.Min(BlockSize, BaseLength - (block * BlockSize));

    private static long RoundUp(long bytes) => (bytes + BlockSize - 1) / BlockSize * BlockSize;
}
