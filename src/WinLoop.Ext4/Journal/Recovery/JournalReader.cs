using WinLoop.Ext4.Format;
using WinLoop.Storage;

namespace WinLoop.Ext4.Journal.Recovery;

/// <summary>Reads log blocks one after another through a window, so that a walk over the log is a few large reads.</summary>
internal sealed class JournalReader(IBlockDevice device, int blockSizeBits, JournalMap map)
{
    private const int WindowBytes = 256 << 10;

    private readonly byte[] _window = new byte[Math.Max(WindowBytes, 1 << blockSizeBits)];
    private uint _first;
    private uint _count;

    /// <summary>A log block's content; valid until the next call.</summary>
    public ReadOnlySpan<byte> Read(uint block)
    {
        if (block < _first || block - _first >= _count)
        {
            ulong physical = map.GetRun(block, out uint run);
            _count = 0;
            uint count = Math.Min(run, (uint)(_window.Length >> blockSizeBits));
            device.Read(_window.AsSpan(0, (int)count << blockSizeBits), (long)(physical << blockSizeBits));
            _first = block;
            _count = count;
        }
        return _window.AsSpan((int)(block - _first) << blockSizeBits, 1 << blockSizeBits);
    }

    /// <summary>Reads one log block without touching the window.</summary>
    public void Read(uint block, Span<byte> buffer) => device.Read(buffer, (long)(map[block] << blockSizeBits));
}
