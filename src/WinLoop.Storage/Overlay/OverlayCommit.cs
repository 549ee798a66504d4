using System.Buffers.Binary;

namespace WinLoop.Storage.Overlay;

/// <summary>
/// Writes what is in an overlay into the image. A cut at any moment is repaired by doing it again:
/// <list type="number">
/// <item>The overlay file is marked: a commit was begun. From here on no mount takes it.</item>
/// <item>The magic number of every ext file system that has changed is wiped out in the image, so that nobody takes the
/// mixture for a file system.</item>
/// <item>All blocks are written, but those of the superblocks; flush; then these; flush.</item>
/// <item>The overlay file is marked: it is committed. A commit that finds this does nothing.</item>
/// </list>
/// </summary>
internal sealed class OverlayCommit
{
    private const int BlockSize = OverlayLayout.BlockSize;
    private const int BufferBlocks = 256;
    private const int SuperblockOffset = 1024;
    private const int SuperblockSize = 1024;
    private const int MagicOffset = 0x38;
    private const int UuidOffset = 0x68;

    private readonly IBlockDevice _file;
    private readonly IBlockDevice _image;
    private readonly OverlayHeader _header;
    private readonly OverlayLayout _layout;
    private readonly OverlayMap _map;
    private readonly Action<long, long>? _progress;
    private readonly byte[] _buffer = new byte[BufferBlocks * BlockSize];
    private long _done;

    private OverlayCommit(IBlockDevice file, IBlockDevice image, OverlayHeader header, Action<long, long>? progress)
    {
        _file = file;
        _image = image;
        _header = header;
        _layout = new OverlayLayout(header.Base.Length);
        _map = OverlayMap.Load(file, _layout);
        _progress = progress;
    }

    /// <summary>Commits.</summary>
    /// <param name="file">The overlay file, writable.</param>
    /// <param name="image">The image, writable.</param>
    /// <param name="modifiedTicks">When the image was last written to.</param>
    /// <param name="nowTicks">The time.</param>
    /// <param name="progress">Told bytes written, and all.</param>
    /// <returns>Bytes written; null if it was committed before.</returns>
    /// <exception cref="OverlayException">It is no overlay, damaged, or the image is not its base.</exception>
    internal static long? Run(IBlockDevice file, IBlockDevice image, long modifiedTicks, long nowTicks, Action<long, long>? progress = null)
    {
        OverlayHeader header = OverlayHeader.Read(file);
        OverlayState state = OverlayState.Read(file);
        if (state.Phase == OverlayPhase.Committed)
        {
            return null;
        }

        if (state.Phase == OverlayPhase.Active && header.Base.Difference(BaseFingerprint.Of(image, modifiedTicks)) is { } difference)
        {
            throw new OverlayException(OverlayError.BaseChanged, $"the image is not as it was when the overlay was made: {difference}");
        }

        var commit = new OverlayCommit(file, image, header, progress);
        if (state.Phase == OverlayPhase.Committing)
        {
            commit.CheckHalfCommitted();
        }
        else
        {
            state = state.Advance(file, OverlayPhase.Committing, nowTicks);
        }

        commit.Write();
        state.Advance(file, OverlayPhase.Committed, nowTicks);
        return commit._done;
    }

    /// <summary>The image of a commit that was cut has the size and the file systems, by their UUIDs, of the base or of what
    /// the overlay makes of it; the magic numbers may be wiped out.</summary>
    private void CheckHalfCommitted()
    {
        string? difference = _image.Length == _header.Base.Length ? null : "it has another size";
        Span<byte> uuid = stackalloc byte[16];
        foreach (BaseVolume volume in difference is null ? _header.Base.Volumes : [])
        {
            long place = volume.Offset + SuperblockOffset + UuidOffset;
            _image.Read(uuid, place);
            var found = new Guid(uuid, bigEndian: true);
            if (found != volume.Uuid && _map[place / BlockSize] == BlockPlace.Overlay)
            {
                _file.Read(uuid, _layout.ContentOffset + place);
            }

            if (found != volume.Uuid && found != new Guid(uuid, bigEndian: true))
            {
                difference = $"the UUID of the file system in it is {found}";
            }
            else if (found != volume.Uuid && _map[place / BlockSize] != BlockPlace.Overlay)
            {
                difference = $"the UUID of the file system in it is {found} and was {volume.Uuid}";
            }
        }

        if (difference is not null)
        {
            throw new OverlayException(OverlayError.BaseChanged, $"a commit of this overlay was begun on another image: {difference}");
        }
    }

    private void Write()
    {
        var late = new SortedSet<long>();
        foreach (BaseVolume volume in _header.Base.Volumes)
        {
            long superblock = volume.Offset + SuperblockOffset;
            if (_map[superblock / BlockSize] == BlockPlace.Overlay)
            {
                WipeMagic(superblock + MagicOffset);
                late.Add(superblock / BlockSize);
                late.Add((superblock + SuperblockSize - 1) / BlockSize);
            }
        }

        if (late.Count > 0)
        {
            _image.Flush();
        }

        long block = 0;
        foreach (long next in late)
        {
            CopyRange(block, next);
            block = next + 1;
        }

        CopyRange(block, _layout.Blocks);
        _image.Flush();
        if (late.Count > 0)
        {
            foreach (long one in late)
            {
                CopyRange(one, one + 1);
            }

            _image.Flush();
        }
    }

    /// <summary>A whole sector, for devices that take nothing smaller.</summary>
    private void WipeMagic(long place)
    {
        int sectorSize = Math.Max(_image.SectorSize, OverlayLayout.SectorSize);
        Span<byte> sector = _buffer.AsSpan(0, sectorSize);
        long start = place / sectorSize * sectorSize;
        _image.Read(sector, start);
        BinaryPrimitives.WriteUInt16LittleEndian(sector[(int)(place - start)..], 0);
        _image.Write(sector, start, WriteTag.Superblock);
    }

    private void CopyRange(long block, long end)
    {
        long total = _map.BlocksInOverlay * BlockSize;
        while (block < end)
        {
            long run = _map.RunOf(block, Math.Min(end, block + BufferBlocks), out BlockPlace place);
            long offset = block * BlockSize;
            long length = Math.Min(run * BlockSize, _layout.BaseLength - offset);
            if (place == BlockPlace.Overlay)
            {
                Span<byte> content = _buffer.AsSpan(0, (int)length);
                _file.Read(content, _layout.ContentOffset + offset);
                _image.Write(content, offset);
                _done += length;
                _progress?.Invoke(_done, total);
            }
            else if (place == BlockPlace.Zero)
            {
                _image.WriteZeroes(offset, length);
            }

            block += run;
        }
    }
}
