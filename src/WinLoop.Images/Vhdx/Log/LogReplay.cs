using WinLoop.Storage;

namespace WinLoop.Images.Vhdx;

/// <summary>Does what the log says: into the file, or into memory over it.</summary>
internal sealed class LogReplay
{
    // Zeroes are metadata too: a new piece of the table or of a bitmap. This is far more than any of that.
    private const ulong MaxZeroed = 1UL << 30;

    private readonly LogImage _log;
    private readonly List<LogEntry> _sequence;
    private readonly long _fileLength;

    private LogReplay(LogImage log, List<LogEntry> sequence, long fileLength)
    {
        _log = log;
        _sequence = sequence;
        _fileLength = fileLength;
        NewLength = fileLength;
    }

    /// <summary>How long the file has to be: at least as long as it is.</summary>
    private long NewLength { get; set; }

    /// <summary>Replays into memory; the file is only read.</summary>
    public static IBlockDevice IntoMemory(IBlockDevice file, in VhdxHeader header)
    {
        LogReplay replay = Prepare(file, header);
        var memory = new OverlayDevice(new LongerDevice(file, replay.NewLength), ownsBase: true);
        replay.ApplyTo(memory);
        return memory;
    }

    /// <summary>Replays into the file; the log is not needed any more afterwards, and the headers say so.</summary>
    public static void IntoFile(IGrowableDevice file, VhdxHeaders headers)
    {
        LogReplay replay = Prepare(file, headers.Current);
        headers.Replace(file, headers.Current with { FileWriteGuid = Guid.NewGuid() });
        if (replay.NewLength > file.Length)
        {
            file.SetLength(replay.NewLength);
        }

        replay.ApplyTo(file);
        file.Flush();
        headers.Replace(file, headers.Current with { LogGuid = Guid.Empty });
    }

    /// <summary>Finds the entries and checks every one of them before the first byte is changed.</summary>
    private static LogReplay Prepare(IBlockDevice file, in VhdxHeader header)
    {
        LogImage log = LogImage.Read(file, header);
        var replay = new LogReplay(log, log.FindActiveSequence(), file.Length);
        ulong zeroed = 0;
        foreach (LogEntry entry in replay._sequence)
        {
            if (entry.FlushedFileLength > (ulong)file.Length)
            {
                throw VhdxError.Damaged($"the file has {file.Length} bytes and had at least {entry.FlushedFileLength} when its log was written: its end is missing");
            }

            if (entry.FileLength > VhdxLayout.MaxFileLength)
            {
                throw VhdxError.Damaged($"the log wants a file of {entry.FileLength} bytes");
            }

            replay.NewLength = Math.Max(replay.NewLength, VhdxLayout.AlignUp((long)entry.FileLength));
        }

        foreach (LogEntry entry in replay._sequence)
        {
            for (int i = 0; i < entry.DescriptorCount; i++)
            {
                LogDescriptor.TryRead(log.Descriptor(entry, i), out LogDescriptor change);
                replay.Check(change, header);
                zeroed += change.IsZero ? change.Length : 0; // each one is smaller than the file
                if (zeroed > MaxZeroed)
                {
                    throw VhdxError.Unsupported($"a log with more than {MaxZeroed} bytes of zeroes");
                }
            }
        }

        return replay;
    }

    private void Check(in LogDescriptor change, in VhdxHeader header)
    {
        // The headers and the log itself are not changed through the log.
        ulong length = (ulong)NewLength, start = change.FileOffset;
        if (start < VhdxLayout.RegionTable1 || start > length || change.Length > length - start
            || (start < header.LogOffset + header.LogLength && start + change.Length > header.LogOffset))
        {
            throw VhdxError.Damaged($"the log wants to change {change.Length} bytes at {start} of a file of {NewLength} bytes");
        }
    }

    private void ApplyTo(IBlockDevice target)
    {
        byte[] content = new byte[VhdxLayout.Sector];
        long written = _fileLength; // what lies behind is zero already
        foreach (LogEntry entry in _sequence)
        {
            int sector = entry.DescriptorSectors;
            for (int i = 0; i < entry.DescriptorCount; i++)
            {
                ReadOnlySpan<byte> bytes = _log.Descriptor(entry, i);
                LogDescriptor.TryRead(bytes, out LogDescriptor change);
                long start = (long)change.FileOffset;
                if (change.IsZero)
                {
                    long end = Math.Min(start + (long)change.Length, written);
                    if (end > start)
                    {
                        target.WriteZeroes(start, end - start, WriteTag.Replay);
                    }

                    continue;
                }

                LogDescriptor.Decode(bytes, _log.Sector(entry.Start + ((long)sector * VhdxLayout.Sector)), content);
                sector++;
                target.Write(content, start, WriteTag.Replay);
                written = Math.Max(written, start + VhdxLayout.Sector);
            }
        }
    }

    /// <summary>The file with zeroes behind its end, for reading.</summary>
    private sealed class LongerDevice(IBlockDevice file, long length) : IBlockDevice
    {
        public long Length => length;

        public bool IsReadOnly => true;

        public int SectorSize => file.SectorSize;

        public void Read(Span<byte> buffer, long offset)
        {
            DeviceRange.Check(this, offset, buffer.Length);
            int inside = (int)Math.Clamp(file.Length - offset, 0, buffer.Length);
            if (inside > 0)
            {
                file.Read(buffer[..inside], offset);
            }

            buffer[inside..].Clear();
        }

        public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data) => DeviceRange.CheckWrite(this, offset, buffer.Length);

        public void Flush()
        {
        }

        public void Discard(long offset, long length) => DeviceRange.CheckWrite(this, offset, length);

        public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data) => DeviceRange.CheckWrite(this, offset, length);

        public void Dispose() => file.Dispose();
    }
}
