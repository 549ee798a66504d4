using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Storage.Overlay;

/// <summary>What has become of an overlay file.</summary>
internal enum OverlayPhase : uint
{
    /// <summary>It takes the writes of mounts.</summary>
    Active = 0,

    /// <summary>Its changes are being written to an image, which is a mixture until that is done.</summary>
    Committing = 1,

    /// <summary>All of its changes are in the image.</summary>
    Committed = 2,
}

/// <summary>
/// The part of an overlay file that changes, in two sectors that are written by turns: a torn one leaves the other.
/// <code>
/// 0 magic "WLOS"   4 phase (u32)   8 number (u64)   16 time of the change (ticks)   508 CRC-32 of bytes 0 to 507
/// </code>
/// A file without a valid slot that is all zeroes is new: <see cref="OverlayPhase.Active"/>.
/// </summary>
internal readonly record struct OverlayState(OverlayPhase Phase, ulong Number, long Ticks)
{
    private const uint Magic = 0x534F4C57; // "WLOS"
    private const int ChecksumOffset = 508;
    private const int Slots = 2;

    /// <summary>Reads the one that holds.</summary>
    internal static OverlayState Read(IBlockDevice file)
    {
        OverlayState best = default;
        bool isAnyTorn = false, isAnyValid = false;
        Span<byte> sector = stackalloc byte[OverlayLayout.SectorSize];
        for (int slot = 0; slot < Slots; slot++)
        {
            file.Read(sector, OverlayLayout.StateOffset + (slot * OverlayLayout.SectorSize));
            if (!sector.ContainsAnyExcept((byte)0))
            {
                continue;
            }

            if (ReadUInt32LittleEndian(sector) != Magic || ReadUInt32LittleEndian(sector[4..]) > (uint)OverlayPhase.Committed ||
                ReadUInt32LittleEndian(sector[ChecksumOffset..]) != Crc32.Compute(sector[..ChecksumOffset]))
            {
                isAnyTorn = true;
                continue;
            }

            var state = new OverlayState((OverlayPhase)ReadUInt32LittleEndian(sector[4..]), ReadUInt64LittleEndian(sector[8..]), ReadInt64LittleEndian(sector[16..]));
            best = !isAnyValid || state.Number > best.Number ? state : best;
            isAnyValid = true;
        }

        return isAnyTorn && !isAnyValid ? throw OverlayHeader.Damaged("neither of its two states is valid") : best;
    }

    /// <summary>Writes the next one into the slot of the one before this, and makes it durable.</summary>
    internal OverlayState Advance(IBlockDevice file, OverlayPhase phase, long ticks)
    {
        var next = new OverlayState(phase, Number + 1, ticks);
        Span<byte> sector = stackalloc byte[OverlayLayout.SectorSize];
        sector.Clear();
        WriteUInt32LittleEndian(sector, Magic);
        WriteUInt32LittleEndian(sector[4..], (uint)phase);
        WriteUInt64LittleEndian(sector[8..], next.Number);
        WriteInt64LittleEndian(sector[16..], ticks);
        WriteUInt32LittleEndian(sector[ChecksumOffset..], Crc32.Compute(sector[..ChecksumOffset]));
        file.Write(sector, OverlayLayout.StateOffset + ((long)(next.Number % Slots) * OverlayLayout.SectorSize), WriteTag.Metadata);
        file.Flush();
        return next;
    }
}
