using System.Buffers.Binary;
using System.IO.Compression;
using WinLoop.Images.Tests.Vhdx;
using WinLoop.Images.Vmdk;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Images.Tests.Vmdk;

/// <summary>Forms of sparse extents that qemu does not make: streams with a footer, tables that are missing, other versions.</summary>
public sealed class SparseTests
{
    private const int MiB = 1 << 20;
    private const int Grain = 65536;

    [Fact]
    public void AStreamWithAFooter_ReadsTheSame_AlsoForQemu()
    {
        Shell.Require("qemu-img");
        byte[] content = DiskFiles.Noise((3 * MiB) + 1024, 4);
        byte[] stream = Stream(content);
        using var folder = new TemporaryFolder();
        string path = folder.File("x.vmdk"), raw = folder.File("raw");
        File.WriteAllBytes(path, stream);
        DiskFiles.WriteSparse(raw, content);
        VmdkFiles.AssertQemuAgrees(path, raw);
        using IBlockDevice disk = DiskFiles.Open(path, isReadOnly: true);
        Assert.Equal(content, DiskFiles.ReadAll(disk));
    }

    [Fact]
    public void AStreamThatWasCut_IsDamaged()
    {
        byte[] stream = Stream(DiskFiles.Noise(MiB, 5));
        foreach (int length in (int[])[512, 1024, 12000, stream.Length - 512, stream.Length - 1024])
        {
            var e = Assert.Throws<ImageFormatException>(() => VmdkFiles.Open(new MemoryFile(stream.AsSpan(0, length))));
            Assert.Equal(ImageFormatError.Damaged, e.Error);
        }
    }

    [Fact]
    public void ADamagedGrain_FailsItsRead_AndNoOther()
    {
        byte[] content = DiskFiles.Noise(MiB, 6, share: 1), stream = Stream(content);
        stream[FirstGrain + 12 + 5000] ^= 0x55;
        using IBlockDevice disk = VmdkFiles.Open(new MemoryFile(stream), isReadOnly: true);
        byte[] read = new byte[Grain];
        Assert.Equal(BlockDeviceError.Io, Assert.Throws<BlockDeviceException>(() => disk.Read(read, 0)).Error);
        Assert.Equal(BlockDeviceError.Io, Assert.Throws<BlockDeviceException>(() => disk.Read(read, 0)).Error);
        disk.Read(read, Grain);
        Assert.Equal(content[Grain..(2 * Grain)], read);
    }

    [Theory]
    [InlineData(4, 3, true, "change tracking")] // the version
    [InlineData(4, 4, false, "version 4")]
    [InlineData(8, 11, false, "flags 0xb")]
    [InlineData(8, 0x10003, false, "without markers")]
    [InlineData(8, 0x30003, false, "algorithm 0")]
    [InlineData(20, 127, false, "127 sectors")]
    [InlineData(20, 4, false, "4 sectors")]
    [InlineData(20, 4096, false, "4096 sectors")]
    [InlineData(44, 1024, false, "1024 entries")]
    [InlineData(28, 0, false, "only a part")]
    [InlineData(36, 1000, false, "65536 are the limit")]
    [InlineData(73, 0x0a0d200a, true, null)]
    [InlineData(73, 0x0a0a200a, false, "line ends")]
    public void AHeaderOfAnotherKind_IsNamed(int field, uint value, bool opens, string? named)
    {
        var file = new MemoryFile();
        VmdkImage.Create(file, 8 * MiB);
        file.SetLength(2 * MiB);
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        file.Write(bytes, field);
        var notes = new List<string>();
        var options = new ImageFormatOptions { Note = notes.Add };
        if (opens)
        {
            using IBlockDevice disk = new VmdkFormat().Open(file, options);
            Assert.Equal(named is not null, disk.IsReadOnly);
            Assert.Equal(named is not null, notes.Exists(note => note.Contains(named!, StringComparison.Ordinal)));
            return;
        }

        Assert.Contains(named!, Assert.Throws<ImageFormatException>(() => new VmdkFormat().Open(file, options)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AMissingTable_MakesTheDiskReadOnly()
    {
        var file = new MemoryFile();
        VmdkImage.Create(file, 80 * MiB);
        using (IBlockDevice disk = VmdkFiles.Open(file))
        {
            disk.Write([1, 2, 3], 5);
        }

        file.Write(new byte[4], (SparseHeader.Read(file).Directory * 512) + 4);
        var notes = new List<string>();
        using IBlockDevice again = new VmdkFormat().Open(file, new ImageFormatOptions { Note = notes.Add });
        Assert.True(again.IsReadOnly);
        Assert.Contains("tables are not there", Assert.Single(notes), StringComparison.Ordinal);
        byte[] all = DiskFiles.ReadAll(again);
        Assert.Equal([1, 2, 3], all[5..8]);
        Assert.Equal(-1, all.AsSpan(8).IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public void TwoGrainsInOnePlace_AreDamage()
    {
        var file = new MemoryFile();
        VmdkImage.Create(file, 8 * MiB);
        using (IBlockDevice disk = VmdkFiles.Open(file))
        {
            disk.Write(new byte[3 * Grain], 0);
        }

        GrainTables tables = GrainTables.Read(file, SparseHeader.Read(file), isForWriting: false);
        byte[] entry = new byte[4];
        foreach (uint place in (uint[])[tables[1], tables[1] + 1, tables[1] - 1, 1, 2, 21, (uint)(file.Length / 512), uint.MaxValue])
        {
            BinaryPrimitives.WriteUInt32LittleEndian(entry, place);
            file.Write(entry, tables.Places[0] * 512L);
            Assert.Equal(ImageFormatError.Damaged, Assert.Throws<ImageFormatException>(() => VmdkFiles.Open(file)).Error);
        }
    }

    /// <summary>Where the first grain of <see cref="Stream"/> is.</summary>
    private const int FirstGrain = 128 * 512;

    /// <summary>What is written in one go: header, descriptor, grains and tables behind their markers, footer, end.</summary>
    internal static byte[] Stream(byte[] content)
    {
        var header = new SparseHeader
        {
            Version = 3,
            Flags = SparseFlags.NewLineTest | SparseFlags.Compressed | SparseFlags.Markers,
            Capacity = content.Length / 512,
            GrainSize = 128,
            DescriptorOffset = 1,
            DescriptorSize = 20,
            Directory = -1,
            Overhead = 128,
        };
        using var stream = new MemoryStream();
        stream.Write(Bytes(header));
        stream.Write(VmdkFiles.Descriptor("streamOptimized", $"RW {content.Length / 512} SPARSE \"x.vmdk\""));
        stream.SetLength(FirstGrain);
        stream.Position = FirstGrain;
        var directory = new List<uint>();
        uint[] table = new uint[512];
        for (int grain = 0; grain * Grain < content.Length; grain++)
        {
            ReadOnlySpan<byte> part = content.AsSpan(grain * Grain, Math.Min(Grain, content.Length - (grain * Grain)));
            if (part.ContainsAnyExcept((byte)0))
            {
                table[grain] = (uint)(stream.Position / 512);
                using var packed = new MemoryStream();
                using (var zlib = new ZLibStream(packed, CompressionLevel.Fastest, leaveOpen: true))
                {
                    zlib.Write(part);
                }

                Marker(stream, (ulong)grain * 128, (uint)packed.Length, packed.ToArray());
            }
        }

        Marker(stream, 4, 0, [1, 0, 0, 0]); // a grain table follows
        directory.Add((uint)(stream.Position / 512));
        stream.Write(System.Runtime.InteropServices.MemoryMarshal.AsBytes<uint>(table));
        Marker(stream, 1, 0, [2, 0, 0, 0]); // the grain directory follows
        long place = stream.Position / 512;
        stream.Write(BitConverter.GetBytes(directory[0]));
        Pad(stream);
        Marker(stream, 1, 0, [3, 0, 0, 0]); // the footer follows
        stream.Write(Bytes(header with { Directory = place }));
        Marker(stream, 0, 0, []);
        return stream.ToArray();
    }

    private static byte[] Bytes(SparseHeader header)
    {
        byte[] bytes = header.ToBytes();
        bytes[77] = 1; // deflate
        return bytes;
    }

    private static void Marker(MemoryStream stream, ulong value, uint size, byte[] data)
    {
        stream.Write(BitConverter.GetBytes(value));
        stream.Write(BitConverter.GetBytes(size));
        stream.Write(data);
        Pad(stream);
    }

    private static void Pad(MemoryStream stream) => stream.Write(new byte[(512 - (stream.Position % 512)) % 512]);
}
