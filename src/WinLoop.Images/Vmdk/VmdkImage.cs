using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using WinLoop.Storage;

namespace WinLoop.Images.Vmdk;

/// <summary>Makes new VMDK files.</summary>
public static class VmdkImage
{
    // What all known writers use, in sectors.
    private const int GrainSize = 128;
    private const int DescriptorOffset = 1;
    private const int DescriptorSize = 20;

    /// <summary>Makes a disk of zeroes in one sparse file (monolithicSparse). What the file held before is gone.</summary>
    /// <param name="file">The file; it stays the caller's.</param>
    /// <param name="size">Bytes of the disk: a multiple of 512, a little less than 2 TiB at most.</param>
    /// <exception cref="ArgumentException">The size cannot be.</exception>
    /// <exception cref="BlockDeviceException">The file cannot be written.</exception>
    public static void Create(IGrowableDevice file, long size)
    {
        ArgumentNullException.ThrowIfNull(file);
        if (size <= 0 || size % 512 != 0 || size > 1L << 41 || Layout(size / 512) is not { } header
            || header.Overhead + (header.GrainCount * GrainSize) > uint.MaxValue)
        {
            throw new ArgumentException($"A sparse VMDK cannot hold a disk of {size} bytes.", nameof(size));
        }

        file.SetLength(0);
        file.SetLength(header.Overhead * SparseHeader.Size);
        file.Write(header.ToBytes(), 0, WriteTag.Superblock);
        byte[] descriptor = new byte[DescriptorSize * SparseHeader.Size];
        Encoding.ASCII.GetBytes(Describe(size / 512), descriptor);
        file.Write(descriptor, DescriptorOffset * SparseHeader.Size, WriteTag.Metadata);
        WriteDirectory(file, header, header.RedundantDirectory);
        WriteDirectory(file, header, header.Directory);
        file.Flush();
    }

    /// <summary>Header, descriptor, redundant directory and tables, directory and tables, grains.</summary>
    private static SparseHeader Layout(long sectors)
    {
        var header = new SparseHeader
        {
            Flags = SparseFlags.NewLineTest | SparseFlags.RedundantTables,
            Capacity = sectors,
            GrainSize = GrainSize,
            DescriptorOffset = DescriptorOffset,
            DescriptorSize = DescriptorSize,
            RedundantDirectory = DescriptorOffset + DescriptorSize,
        };
        long directory = header.RedundantDirectory + DirectorySectors(header) + ((long)header.DirectoryEntries * GrainTables.TableSectors);
        long end = directory + DirectorySectors(header) + ((long)header.DirectoryEntries * GrainTables.TableSectors);
        return header with { Directory = directory, Overhead = (end + GrainSize - 1) / GrainSize * GrainSize };
    }

    private static long DirectorySectors(SparseHeader header) => ((header.DirectoryEntries * sizeof(uint)) + SparseHeader.Size - 1) / SparseHeader.Size;

    private static void WriteDirectory(IGrowableDevice file, SparseHeader header, long place)
    {
        byte[] bytes = new byte[header.DirectoryEntries * sizeof(uint)];
        for (int i = 0; i < header.DirectoryEntries; i++)
        {
            System.Buffers.Binary.BinaryPrimitives.WriteUInt32LittleEndian(
                bytes.AsSpan(i * sizeof(uint)), (uint)(place + DirectorySectors(header) + (i * GrainTables.TableSectors)));
        }

        file.Write(bytes, place * SparseHeader.Size, WriteTag.Metadata);
    }

    private static string Describe(long sectors)
    {
        const int Heads = 16, TrackSectors = 63, MaxCylinders = 16383;
        long cylinders = Math.Min(sectors / (Heads * TrackSectors), MaxCylinders);
        // The name does not matter: the extent is the file that the text is in. "ffffffff" would mean that there is no parent.
        string id = "1" + RandomNumberGenerator.GetHexString(7, lowercase: true);
        return string.Create(CultureInfo.InvariantCulture, $"""
            # Disk DescriptorFile
            version=1
            CID={id}
            parentCID=ffffffff
            createType="monolithicSparse"

            # Extent description
            RW {sectors} SPARSE "disk.vmdk"

            # The Disk Data Base
            #DDB

            ddb.virtualHWVersion = "4"
            ddb.geometry.cylinders = "{cylinders}"
            ddb.geometry.heads = "{Heads}"
            ddb.geometry.sectors = "{TrackSectors}"
            ddb.adapterType = "ide"

            """).ReplaceLineEndings("\n");
    }
}
