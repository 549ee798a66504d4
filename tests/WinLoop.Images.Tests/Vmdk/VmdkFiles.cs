using WinLoop.Images.Vmdk;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Images.Tests.Vmdk;

/// <summary>VMDK files, and what the tests do with all of them.</summary>
internal static class VmdkFiles
{
    /// <summary>Opens a VMDK in memory, which names no other files.</summary>
    public static IBlockDevice Open(IGrowableDevice file, bool isReadOnly = false) =>
        new VmdkFormat().Open(file, new ImageFormatOptions { IsReadOnly = isReadOnly });

    /// <summary>Opens a descriptor whose extents are in memory.</summary>
    public static IBlockDevice Open(IGrowableDevice descriptor, IReadOnlyDictionary<string, IGrowableDevice> files, bool isReadOnly = false, Action<string>? note = null) =>
        new VmdkFormat().Open(descriptor, new ImageFormatOptions { IsReadOnly = isReadOnly, OpenRelated = (name, _) => files[name], Note = note });

    /// <summary>A descriptor without a parent.</summary>
    public static byte[] Descriptor(string createType, params string[] extents) => System.Text.Encoding.UTF8.GetBytes(
        $"# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType=\"{createType}\"\n\n# Extents\n{string.Join('\n', extents)}\n\n#DDB\nddb.adapterType = \"ide\"\n");

    /// <summary>A sparse disk with the identifier 12345678.</summary>
    /// <param name="size">Bytes of the disk.</param>
    /// <param name="parent">The file of its parent, which has the same identifier; null: none.</param>
    public static byte[] Sparse(long size, string? parent)
    {
        var file = new MemoryFile();
        VmdkImage.Create(file, size);
        string text = System.Text.Encoding.ASCII.GetString(Descriptor("monolithicSparse", $"RW {size / 512} SPARSE \"x.vmdk\""));
        if (parent is not null)
        {
            text = text.Replace("parentCID=ffffffff", $"parentCID=12345678\nparentFileNameHint=\"{parent}\"", StringComparison.Ordinal);
        }

        file.WriteZeroes(512, 20 * 512);
        file.Write(System.Text.Encoding.ASCII.GetBytes(text), 512);
        return Vhdx.DiskFiles.ReadAll(file);
    }

    /// <summary>An extent of a disk of several files: a new sparse disk without its descriptor.</summary>
    public static byte[] SparsePart(long size)
    {
        var file = new MemoryFile();
        VmdkImage.Create(file, size);
        file.Write(new byte[16], 28);
        file.WriteZeroes(512, 20 * 512);
        return Vhdx.DiskFiles.ReadAll(file);
    }

    /// <summary>Asserts that qemu finds no error and reads the same as from a raw file.</summary>
    public static void AssertQemuAgrees(string path, string rawPath)
    {
        Shell.Result check = Shell.Run("qemu-img", ["check", "-f", "vmdk", path]);
        // Of disks with flat extents it has no check.
        Assert.True(check.ExitCode == 0 || check.All.Contains("does not support checks", StringComparison.Ordinal), $"qemu-img check: {check.ExitCode}\n{check.All}");
        Shell.Result compare = Shell.Run("qemu-img", ["compare", "-f", "vmdk", "-F", "raw", path, rawPath]);
        Assert.True(compare.ExitCode == 0, $"qemu-img compare: {compare.ExitCode}\n{compare.All}");
    }

    /// <summary>Asserts that both copies of the grain tables are equal and that the file was closed in order.</summary>
    public static void AssertClosed(IBlockDevice file)
    {
        SparseHeader header = SparseHeader.Read(file);
        byte[] first = new byte[SparseHeader.Size];
        file.Read(first, 0);
        Assert.Equal(0, first[SparseHeader.UncleanShutdownAt]);
        GrainTables tables = GrainTables.Read(file, header, isForWriting: true);
        byte[] one = new byte[GrainTables.TableSectors * 512], other = new byte[one.Length];
        for (int i = 0; i < tables.Places.Length; i++)
        {
            file.Read(one, tables.Places[i] * 512L);
            file.Read(other, tables.RedundantPlaces[i] * 512L);
            Assert.True(one.AsSpan().SequenceEqual(other), $"the copies of grain table {i} differ");
        }
    }
}
