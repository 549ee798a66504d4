using System.Buffers.Binary;
using System.Diagnostics;
using WinLoop.Images.Vhdx;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Images.Tests.Vhdx;

/// <summary>Logs as other writers leave them: sequences of several entries, around the end of the log, with zeroes.</summary>
public sealed class LogTests
{
    private const int MiB = 1 << 20;
    private const int Sector = 4096;
    private const int Size = 4 * MiB;

    [Theory]
    [InlineData(0)]
    [InlineData(250)] // around the end of the log
    [InlineData(255)]
    public void SequenceOfSeveralEntries_IsReplayedAsQemuReplaysIt(int firstSector)
    {
        Shell.Require("qemu-img");
        byte[] file = Make(out byte[] model);
        var log = new LogBuilder(file);
        long content = log.BlockOffset(1);
        // The first entry is an older one, which the others do not name as their tail.
        int at = log.Add(firstSector, firstSector, 41, (content, 0x11), (content + Sector, 0x11));
        int tail = at;
        at = log.Add(at, tail, 42, (content, 0x22), (content + Sector, 0x22), (content + (2 * Sector), 0x22));
        at = log.AddZeroes(at, tail, 43, content + Sector, 2 * Sector);
        at = log.Add(at, tail, 44, (content, 0x44));
        log.AddTorn(at, tail, 45, (content, 0x55));
        model.AsSpan(MiB, Sector).Fill(0x44);
        model.AsSpan(MiB + Sector, 2 * Sector).Clear();

        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.Path, "x.vhdx"), raw = Path.Combine(folder.Path, "raw");
        File.WriteAllBytes(path, file);
        File.WriteAllBytes(raw, model);
        using (IBlockDevice disk = DiskFiles.Open(path, isReadOnly: true))
        {
            Assert.Equal(model, DiskFiles.ReadAll(disk));
        }

        Assert.Equal(file, File.ReadAllBytes(path));
        string ours = Path.Combine(folder.Path, "ours.vhdx");
        File.Copy(path, ours);
        using (IBlockDevice disk = DiskFiles.Open(ours))
        {
            Assert.Equal(model, DiskFiles.ReadAll(disk));
        }

        DiskFiles.AssertQemuAgrees("vhdx", ours, raw);
        Shell.Result repair = Shell.Run("qemu-img", ["check", "-r", "all", "-f", "vhdx", path]);
        Assert.True(repair.ExitCode == 0, repair.All);
        Shell.Result compare = Shell.Run("qemu-img", ["compare", "-f", "vhdx", "-F", "raw", path, raw]);
        Assert.True(compare.ExitCode == 0, compare.All);
    }

    [Fact]
    public void LogWithoutAWholeEntry_IsDamage()
    {
        byte[] file = Make(out _);
        var log = new LogBuilder(file);
        log.AddTorn(3, 3, 7, (log.BlockOffset(1), 0x55));
        var e = Assert.Throws<ImageFormatException>(() => DiskFiles.Open(new MemoryFile(file)));
        Assert.Equal(ImageFormatError.Damaged, e.Error);
        Assert.Contains("no whole entry", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void EntryWhoseTailIsGone_DoesNotCount()
    {
        byte[] file = Make(out byte[] model);
        var log = new LogBuilder(file);
        long content = log.BlockOffset(1);
        log.Add(0, 0, 5, (content, 0x66));
        log.Add(20, 10, 9, (content, 0x77)); // nothing is at sector 10
        model.AsSpan(MiB, Sector).Fill(0x66);
        using IBlockDevice disk = DiskFiles.Open(new MemoryFile(file), isReadOnly: true);
        Assert.Equal(model, DiskFiles.ReadAll(disk));
    }

    [Fact]
    public void EntriesThatAllOverlap_AreRefusedInTime()
    {
        // A log of 64 MiB, and at every sector an entry that claims all of it: 1 TiB to sum.
        byte[] file = Make(out _);
        var grown = new MemoryFile(file);
        long place = grown.Length;
        grown.SetLength(place + VhdxLayout.MaxLogLength);
        VhdxHeaders headers = VhdxHeaders.Read(grown);
        Guid guid = Guid.NewGuid();
        headers.Replace(grown, headers.Current with { LogGuid = guid, LogOffset = (ulong)place, LogLength = VhdxLayout.MaxLogLength });
        byte[] sector = new byte[Sector];
        for (int at = 0; at < VhdxLayout.MaxLogLength; at += Sector)
        {
            new LogEntry(at, VhdxLayout.MaxLogLength, at, 1 + ((ulong)at / Sector), 0, 0, 0).WriteTo(sector, guid);
            grown.Write(sector, place + at);
        }

        long start = Stopwatch.GetTimestamp();
        var e = Assert.Throws<ImageFormatException>(() => DiskFiles.Open(grown));
        Assert.Contains("overlap", e.Message, StringComparison.Ordinal);
        Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(10));
    }

    private static byte[] Make(out byte[] model)
    {
        var file = new MemoryFile();
        VhdxImage.Create(file, Size);
        model = DiskFiles.Noise(Size, 9, share: 1);
        using (IBlockDevice disk = DiskFiles.Open(file))
        {
            disk.Write(model, 0);
        }

        return DiskFiles.ReadAll(file);
    }

    /// <summary>Puts entries into the log of a file, and the log's guid into its header.</summary>
    private sealed class LogBuilder
    {
        private readonly byte[] _file;
        private readonly VhdxHeader _header;

        public LogBuilder(byte[] file)
        {
            _file = file;
            var memory = new MemoryFile(file);
            VhdxHeaders headers = VhdxHeaders.Read(memory);
            headers.Replace(memory, headers.Current with { LogGuid = Guid.NewGuid() });
            DiskFiles.ReadAll(memory).CopyTo(file, 0);
            _header = headers.Current;
        }

        private int Sectors => (int)(_header.LogLength / Sector);

        public long BlockOffset(int block)
        {
            long bat = RegionTable.Read(new MemoryFile(_file)).Bat.Offset;
            return new BatEntry(BinaryPrimitives.ReadUInt64LittleEndian(_file.AsSpan((int)bat + (8 * block)))).Offset;
        }

        /// <returns>The sector behind the entry.</returns>
        public int Add(int at, int tail, ulong sequence, params (long Offset, byte Value)[] changes)
        {
            byte[] entry = new byte[(1 + changes.Length) * Sector];
            Header(at, tail, sequence, changes.Length, entry.Length).WriteTo(entry, _header.LogGuid);
            byte[] content = new byte[Sector];
            for (int i = 0; i < changes.Length; i++)
            {
                content.AsSpan().Fill(changes[i].Value);
                LogDescriptor.Encode(content, changes[i].Offset, sequence,
                    entry.AsSpan(LogEntry.HeaderSize + (32 * i), 32), entry.AsSpan((1 + i) * Sector, Sector));
            }

            return Put(at, entry);
        }

        public int AddZeroes(int at, int tail, ulong sequence, long offset, long length)
        {
            byte[] entry = new byte[Sector];
            Header(at, tail, sequence, 1, entry.Length).WriteTo(entry, _header.LogGuid);
            Span<byte> descriptor = entry.AsSpan(LogEntry.HeaderSize, 32);
            "zero"u8.CopyTo(descriptor);
            BinaryPrimitives.WriteInt64LittleEndian(descriptor[8..], length);
            BinaryPrimitives.WriteInt64LittleEndian(descriptor[16..], offset);
            BinaryPrimitives.WriteUInt64LittleEndian(descriptor[24..], sequence);
            return Put(at, entry);
        }

        public void AddTorn(int at, int tail, ulong sequence, (long Offset, byte Value) change)
        {
            int end = Add(at, tail, sequence, change);
            long last = (long)_header.LogOffset + ((end + Sectors - 1) % Sectors * (long)Sector);
            _file[last + 2000] ^= 1;
        }

        private LogEntry Header(int at, int tail, ulong sequence, int descriptors, int length) =>
            new(at * Sector, length, tail % Sectors * Sector, sequence, descriptors, (ulong)_file.Length, (ulong)_file.Length);

        private int Put(int at, byte[] entry)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(4), Crc32C.OfStructure(entry));
            for (int i = 0; i < entry.Length / Sector; i++)
            {
                long place = (long)_header.LogOffset + ((at + i) % Sectors * (long)Sector);
                entry.AsSpan(i * Sector, Sector).CopyTo(_file.AsSpan((int)place));
            }

            return (at + (entry.Length / Sector)) % Sectors;
        }
    }
}
