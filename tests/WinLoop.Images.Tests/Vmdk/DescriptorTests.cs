using System.Text;
using WinLoop.Images.Tests.Vhdx;
using WinLoop.Images.Vmdk;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Images.Tests.Vmdk;

/// <summary>Descriptors: how they are written, what is refused by name, and which disks are read-only and say so.</summary>
public sealed class DescriptorTests
{
    private const int MiB = 1 << 20;

    [Fact]
    public void ATextLikeThoseOfWindows_IsTakenApart()
    {
        VmdkDescriptor descriptor = VmdkDescriptor.Parse(Encoding.UTF8.GetBytes(
            "# Disk DescriptorFile\r\nversion=1\r\nencoding=\"UTF-8\"\r\n  CID = 0000abcd \r\nparentCID=FFFFFFFF\r\ncreateType=\"twoGbMaxExtentFlat\"\r\n\r\n"
            + "# a comment = with all \"sorts\" of RW things\r\nrw 10 flat \"Größe 1 = x.vmdk\" 0\r\nRW\t20  FLAT\t\"b.vmdk\" 7\r\nRDONLY 5 ZERO\r\n\r\n"
            + "#DDB\r\nddb.uuid = \"60 00\"\r\nddb.uuid = \"60 01\"\0rubbish"));
        Assert.Equal("twoGbMaxExtentFlat", descriptor.CreateType);
        Assert.Equal(
            [
                new VmdkExtentLine(VmdkAccess.ReadWrite, 10, "FLAT", "Größe 1 = x.vmdk", 0),
                new VmdkExtentLine(VmdkAccess.ReadWrite, 20, "FLAT", "b.vmdk", 7),
                new VmdkExtentLine(VmdkAccess.ReadOnly, 5, "ZERO", "", 0),
            ],
            descriptor.Extents);
        Assert.Equal("60 00", descriptor["DDB.uuid"]);
    }

    [Fact]
    public void ANameThatIsNotUtf8_IsReadByteByByte()
    {
        byte[] text = VmdkFiles.Descriptor("monolithicFlat", "RW 8 FLAT \"gr?n.vmdk\" 0");
        text[Array.IndexOf(text, (byte)'?')] = 0xFC; // in windows-1252
        Assert.Equal("grün.vmdk", VmdkDescriptor.Parse(text).Extents[0].Name);
    }

    [Theory]
    [InlineData("createType=\"monolithicFlat\"", "createType=\"fullDevice\"", ImageFormatError.Unsupported, "fullDevice")]
    [InlineData("createType=\"monolithicFlat\"", "createType=\"vmfsSparse\"", ImageFormatError.Unsupported, "vmfsSparse")]
    [InlineData("createType=\"monolithicFlat\"", "createType=\"vmfsRawDeviceMap\"", ImageFormatError.Unsupported, "vmfsRawDeviceMap")]
    [InlineData("createType=\"monolithicFlat\"", "createType=\"seSparse\"", ImageFormatError.Unsupported, "seSparse")]
    [InlineData("createType=\"monolithicFlat\"", "", ImageFormatError.Damaged, "createType")]
    [InlineData("FLAT", "SESPARSE", ImageFormatError.Unsupported, "SESPARSE")]
    [InlineData("FLAT", "VMFSSPARSE", ImageFormatError.Unsupported, "VMFSSPARSE")]
    [InlineData("FLAT", "VMFSRDM", ImageFormatError.Unsupported, "VMFSRDM")]
    [InlineData("version=1", "version=4", ImageFormatError.Unsupported, "version 4")]
    [InlineData("version=1", "", ImageFormatError.Damaged, "version")]
    [InlineData("version=1", "version=1\nencryption.keySafe=\"x\"", ImageFormatError.Unsupported, "encrypted")]
    [InlineData("parentCID=ffffffff", "parentCID=1234abcd", ImageFormatError.Parent, "does not say which file")]
    [InlineData("parentCID=ffffffff", "parentCID=1234abcd\nparentFileNameHint=\"\"", ImageFormatError.Parent, "does not say which file")]
    [InlineData("parentCID=ffffffff", "parentCID=1234abcd\nparentFileNameHint=\"a\u0002b\"", ImageFormatError.Damaged, "a?b")]
    [InlineData("parentCID=ffffffff", "parentCID=1234abcd\nparentFileNameHint=\"x\"", ImageFormatError.Parent, "its parent x cannot be used")]
    [InlineData("parentCID=ffffffff", "parentCID=ffffffff\nparentFileNameHint=\"base.vmdk\"", ImageFormatError.Damaged, "base.vmdk")]
    [InlineData("parentCID=ffffffff", "parentCID=quatsch", ImageFormatError.Damaged, "quatsch")]
    [InlineData("CID=12345678", "CID=12345678\ncid=1", ImageFormatError.Damaged, "twice")]
    [InlineData("CID=12345678", "CID=123456789", ImageFormatError.Damaged, "123456789")]
    [InlineData("RW 2048", "NOACCESS 2048", ImageFormatError.Unsupported, "NOACCESS")]
    [InlineData("RW 2048", "RW -1", ImageFormatError.Damaged, "RW -1")]
    [InlineData("RW 2048", "RW 0", ImageFormatError.Damaged, "RW 0")]
    [InlineData("RW 2048", "RW 9223372036854775807", ImageFormatError.Damaged, "9223372036854775807")]
    [InlineData("RW 2048", "RW 2049", ImageFormatError.Damaged, "1048576 bytes")]
    [InlineData("\"x\" 0", "\"x\" 1", ImageFormatError.Damaged, "1048576 bytes")]
    [InlineData("\"x\" 0", "\"x\" 9007199254740991", ImageFormatError.Damaged, "1048576 bytes")]
    [InlineData("\"x\" 0", "\"x\" 9223372036854775807", ImageFormatError.Damaged, "RW 2048")]
    [InlineData("\"x\" 0", "\"x 0", ImageFormatError.Damaged, "RW 2048")]
    [InlineData("\"x\" 0", "\"\" 0", ImageFormatError.Damaged, "file name")]
    [InlineData("\"x\" 0", "\"a\u0001b\" 0", ImageFormatError.Damaged, "a?b")]
    [InlineData("\"x\" 0", "\"x\" 0\nRW 8 FLAT \"X\" 0", ImageFormatError.Unsupported, "one file")]
    [InlineData("\"x\" 0", "\"x\" 0\nRW 137438953472 ZERO", ImageFormatError.Unsupported, "too large")]
    [InlineData("\"x\" 0", "\"x\" 0\nnonsense", ImageFormatError.Damaged, "nonsense")]
    [InlineData("RW 2048 FLAT \"x\" 0", "", ImageFormatError.Damaged, "no extents")]
    [InlineData("RW 2048 FLAT \"x\" 0", "RW 2048 SPARSE \"x\"", ImageFormatError.Damaged, "KDMV")]
    public void WhatCannotBe_IsNamed(string old, string replacement, ImageFormatError error, string named)
    {
        string text = Encoding.UTF8.GetString(VmdkFiles.Descriptor("monolithicFlat", "RW 2048 FLAT \"x\" 0"));
        Assert.Contains(old, text, StringComparison.Ordinal);
        var descriptor = new MemoryFile(Encoding.UTF8.GetBytes(text.Replace(old, replacement, StringComparison.Ordinal)));
        var files = new Dictionary<string, IGrowableDevice> { ["x"] = new MemoryFile(MiB) };
        Assert.True(new VmdkFormat().Matches(descriptor));
        var e = Assert.Throws<ImageFormatException>(() => VmdkFiles.Open(descriptor, files));
        Assert.Equal(error, e.Error);
        Assert.Contains(named, e.Message, StringComparison.Ordinal);
        Assert.StartsWith("VMDK: ", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public void LongTextsAndManyExtents_AreRefused()
    {
        var files = new Dictionary<string, IGrowableDevice>();
        byte[] text = VmdkFiles.Descriptor("custom", [.. Enumerable.Range(0, 1025).Select(_ => "RW 8 ZERO")]);
        Assert.Contains("1024 extents", Assert.Throws<ImageFormatException>(() => VmdkFiles.Open(new MemoryFile(text), files)).Message, StringComparison.Ordinal);
        byte[] longer = [.. VmdkFiles.Descriptor("custom", "RW 8 ZERO"), .. new byte[VmdkDescriptor.MaxSize]];
        Assert.Contains("65536 are the limit", Assert.Throws<ImageFormatException>(() => VmdkFiles.Open(new MemoryFile(longer), files)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AMissingExtent_AndNoOpener_AreNamed()
    {
        byte[] text = VmdkFiles.Descriptor("monolithicFlat", "RW 8 FLAT \"x-flat.vmdk\" 0");
        var options = new ImageFormatOptions { OpenRelated = (_, _) => throw new BlockDeviceException(BlockDeviceError.NotFound, "not there") };
        var e = Assert.Throws<ImageFormatException>(() => new VmdkFormat().Open(new MemoryFile(text), options));
        Assert.Equal(ImageFormatError.Parent, e.Error);
        Assert.Contains("x-flat.vmdk", e.Message, StringComparison.Ordinal);
        e = Assert.Throws<ImageFormatException>(() => new VmdkFormat().Open(new MemoryFile(text), new ImageFormatOptions()));
        Assert.Equal(ImageFormatError.Parent, e.Error);
    }

    [Theory]
    [InlineData("RDONLY 2048 FLAT \"x\" 0", "RDONLY")]
    [InlineData("RW 1024 FLAT \"x\" 0\nRW 1024 ZERO", "ZERO")]
    [InlineData("RW 2048 FLAT \"x\" 0\n\nchangeTrackPath=\"x-ctk.vmdk\"", "changeTrackPath")]
    [InlineData("RW 2048 FLAT \"locked\" 0", "cannot be written")]
    public void ADiskThatCanOnlyBeRead_OpensReadOnly_AndSaysWhy(string extents, string why)
    {
        byte[] content = DiskFiles.Noise(MiB, 3, share: 1);
        var files = new Dictionary<string, IGrowableDevice> { ["x"] = new MemoryFile(content), ["locked"] = new MemoryFile(content) { IsReadOnly = true } };
        var notes = new List<string>();
        var text = new MemoryFile(VmdkFiles.Descriptor("custom", extents));
        using (IBlockDevice disk = VmdkFiles.Open(text, files, note: notes.Add))
        {
            Assert.True(disk.IsReadOnly);
            Assert.Equal(MiB, disk.Length);
            byte[] read = DiskFiles.ReadAll(disk);
            Assert.Equal(content[..(MiB / 2)], read[..(MiB / 2)]);
            Assert.Equal(why == "ZERO" ? new byte[MiB / 2] : content[(MiB / 2)..], read[(MiB / 2)..]);
            Assert.Throws<BlockDeviceException>(() => disk.Write(new byte[512], 0));
            disk.Flush();
        }

        Assert.Contains(why, Assert.Single(notes), StringComparison.Ordinal);
        notes.Clear();
        VmdkFiles.Open(text, files, isReadOnly: true, note: notes.Add).Dispose();
        Assert.Empty(notes);
    }

    [Fact]
    public void ADiskOfEsx_IsAFlatFile_AndItsIdentifierChanges()
    {
        byte[] text = VmdkFiles.Descriptor("vmfs", "RW 2048 VMFS \"x-flat.vmdk\"");
        var files = new Dictionary<string, IGrowableDevice> { ["x-flat.vmdk"] = new MemoryFile(MiB) };
        var descriptor = new MemoryFile(text);
        using (IBlockDevice disk = VmdkFiles.Open(descriptor, files))
        {
            disk.Write([1, 2, 3], 700);
        }

        byte[] read = new byte[3];
        files["x-flat.vmdk"].Read(read, 700);
        Assert.Equal([1, 2, 3], read);
        byte[] after = DiskFiles.ReadAll(descriptor);
        Assert.NotEqual(text, after);
        int at = text.AsSpan().IndexOf("12345678"u8);
        Assert.True(after.AsSpan(0, at).SequenceEqual(text.AsSpan(0, at)) && after.AsSpan(at + 8).SequenceEqual(text.AsSpan(at + 8)), "more than the identifier has changed");
    }

    [Fact]
    public void WhatQemuSaysOfADiskOfEsx_IsTheSame()
    {
        Shell.Require("qemu-img");
        using var folder = new TemporaryFolder();
        string path = folder.File("x.vmdk"), raw = folder.File("raw");
        byte[] content = DiskFiles.Noise(MiB, 9);
        File.WriteAllBytes(path, VmdkFiles.Descriptor("vmfs", "RW 2048 VMFS \"x-flat.vmdk\""));
        File.WriteAllBytes(folder.File("x-flat.vmdk"), content);
        using (IBlockDevice disk = DiskFiles.Open(path))
        {
            DiskFiles.WriteRandomly(disk, content, new Random(9), 20);
        }

        DiskFiles.WriteSparse(raw, content);
        VmdkFiles.AssertQemuAgrees(path, raw);
    }

    [Fact]
    public void OtherFiles_AreNotTakenForAVmdk()
    {
        var format = new VmdkFormat();
        foreach (string text in (string[])["", "#", "# Disk", "# Disk DescriptorFileX", "version=1", "KDM", "KDMW"])
        {
            Assert.False(format.Matches(new MemoryFile(Encoding.ASCII.GetBytes(text))), text);
            Assert.False(format.Matches(new MemoryFile([.. Encoding.ASCII.GetBytes(text), .. new byte[4096]])), text);
        }

        Assert.True(format.Matches(new MemoryFile([.. "COWD"u8, .. new byte[4096]])));
        var e = Assert.Throws<ImageFormatException>(() => VmdkFiles.Open(new MemoryFile([.. "COWD"u8, .. new byte[4096]])));
        Assert.Contains("COWD", e.Message, StringComparison.Ordinal);
    }
}
