using System.Globalization;
using WinLoop.Storage;

namespace WinLoop.Images.Vmdk;

/// <summary>From a descriptor to the disk.</summary>
internal static class VmdkOpener
{
    /// <summary>Opens a file that begins with a sparse extent, which holds the descriptor and all of the disk.</summary>
    public static VmdkDisk OpenSparse(IGrowableDevice file, ImageFormatOptions options)
    {
        SparseHeader header = SparseHeader.Read(file);
        if (header.DescriptorOffset == 0 || header.DescriptorSize == 0 || IsBlank(file, header))
        {
            throw VmdkError.Unsupported("only a part: an extent of a disk of several files; open the descriptor, which is a small text file beside it");
        }

        long place = header.DescriptorOffset * SparseHeader.Size;
        VmdkDescriptor descriptor = VmdkDescriptor.Read(file, place, header.DescriptorSize * SparseHeader.Size);
        if (!descriptor.CreateType.Equals("monolithicSparse", StringComparison.OrdinalIgnoreCase)
            && !descriptor.CreateType.Equals("streamOptimized", StringComparison.OrdinalIgnoreCase))
        {
            throw VmdkError.Unsupported($"a descriptor of the type {VmdkError.Shown(descriptor.CreateType)} in a sparse extent");
        }

        if (descriptor.Extents.Count != 1 || descriptor.Extents[0].Type != "SPARSE")
        {
            throw VmdkError.Unsupported("a descriptor that names other extents than the sparse one that it is in");
        }

        string? reason = file.IsReadOnly ? "the file cannot be written" : Reason(descriptor);
        VmdkDisk? parent = ParentDisk.Open(descriptor, options);
        try
        {
            VmdkExtent extent = OpenExtent(file, header, header.Capacity * SparseHeader.Size, !options.IsReadOnly && reason is null, Part(parent, 0));
            bool isReadOnly = Decide(options, reason ?? extent.ReadOnlyReason);
            return new VmdkDisk([extent], descriptorFile: null, MakeContentId(file, place, descriptor), parent, isReadOnly);
        }
        catch
        {
            parent?.Dispose();
            throw;
        }
    }

    /// <summary>Opens a file that is a descriptor, and the files that it names.</summary>
    public static VmdkDisk OpenDescriptor(IGrowableDevice file, ImageFormatOptions options)
    {
        VmdkDescriptor descriptor = VmdkDescriptor.Read(file, 0, file.Length);
        CheckType(descriptor.CreateType);
        CheckExtents(descriptor);
        if (options.OpenRelated is null && descriptor.Extents.Any(line => line.Type != "ZERO"))
        {
            throw VmdkError.Parent("it is a descriptor, and the files that it names cannot be opened here");
        }

        string? reason = file.IsReadOnly ? "the file of the descriptor cannot be written" : Reason(descriptor);
        bool isForWriting = !options.IsReadOnly && reason is null;
        VmdkDisk? parent = ParentDisk.Open(descriptor, options);
        var extents = new List<VmdkExtent>();
        try
        {
            long start = 0;
            foreach (VmdkExtentLine line in descriptor.Extents)
            {
                extents.Add(OpenExtent(line, options, isForWriting, Part(parent, start)));
                reason ??= extents[^1].ReadOnlyReason;
                start += extents[^1].Length;
            }

            bool isReadOnly = Decide(options, reason);
            return new VmdkDisk([.. extents], file, MakeContentId(file, 0, descriptor), parent, isReadOnly);
        }
        catch
        {
            extents.ForEach(extent => extent.Dispose());
            parent?.Dispose();
            throw;
        }
    }

    /// <summary>qemu leaves room for a descriptor in each extent of a disk of several files.</summary>
    private static bool IsBlank(IGrowableDevice file, SparseHeader header)
    {
        Span<byte> first = stackalloc byte[1];
        file.Read(first, header.DescriptorOffset * SparseHeader.Size);
        return first[0] == 0;
    }

    /// <summary>Whether the disk is read-only. If writing was asked for, the user is told why not.</summary>
    private static bool Decide(ImageFormatOptions options, string? reason)
    {
        if (options.IsReadOnly)
        {
            return true;
        }

        if (reason is not null)
        {
            options.Note?.Invoke($"the VMDK is opened read-only: {reason}");
        }

        return reason is not null;
    }

    /// <summary>Why the disk can only be read, as far as the descriptor says so.</summary>
    private static string? Reason(VmdkDescriptor descriptor)
    {
        if (descriptor["changeTrackPath"] is not null)
        {
            return "its changes are tracked (changeTrackPath), and what is written here would be missed";
        }

        foreach (VmdkExtentLine line in descriptor.Extents)
        {
            if (line.Access != VmdkAccess.ReadWrite)
            {
                return "its descriptor says so (RDONLY)";
            }

            if (line.Type == "ZERO")
            {
                return "an extent of it has no file (ZERO)";
            }
        }

        return null;
    }

    private static void CheckType(string type)
    {
        string[] known = ["monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat", "streamOptimized", "vmfs", "custom"];
        if (!known.Contains(type, StringComparer.OrdinalIgnoreCase))
        {
            throw VmdkError.Unsupported($"a disk of the type {VmdkError.Shown(type)}");
        }
    }

    private static void CheckExtents(VmdkDescriptor descriptor)
    {
        long sectors = 0;
        var names = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (VmdkExtentLine line in descriptor.Extents)
        {
            sectors += line.Sectors; // each has 2^37 at most, and there are 1024 at most
            string shown = VmdkError.Shown(line.Name);
            if (line.Access == VmdkAccess.NoAccess)
            {
                throw VmdkError.Unsupported($"an extent without access (NOACCESS) in {shown}");
            }

            if (line.Type is not ("FLAT" or "VMFS" or "SPARSE" or "ZERO"))
            {
                throw VmdkError.Unsupported($"an extent of the type {VmdkError.Shown(line.Type)}");
            }

            if (line.Type == "ZERO")
            {
                continue;
            }

            if (line.Name.Length == 0 || line.Name.AsSpan().ContainsAnyInRange('\0', '\x1f'))
            {
                throw VmdkError.Damaged($"an extent has a file name that cannot be: '{shown}'");
            }

            if (!names.Add(line.Name))
            {
                throw VmdkError.Unsupported($"two extents in one file, {shown}");
            }
        }

        if (sectors > VmdkExtentLine.MaxDiskSize / 512)
        {
            throw VmdkError.Unsupported($"a disk of {sectors} sectors: too large");
        }
    }

    private static VmdkExtent OpenExtent(VmdkExtentLine line, ImageFormatOptions options, bool isForWriting, VmdkParent? parent)
    {
        long length = line.Sectors * 512, start = line.Offset * 512;
        if (line.Type == "ZERO")
        {
            return new ZeroExtent(length);
        }

        IGrowableDevice file = OpenFile(line, options, isForWriting);
        try
        {
            string shown = VmdkError.Shown(line.Name);
            if (line.Type != "SPARSE")
            {
                return start <= file.Length && length <= file.Length - start
                    ? new FlatExtent(file, start, length)
                    : throw VmdkError.Damaged($"its extent {shown} has only {file.Length} bytes; {length} from {start} on are needed");
            }

            SparseHeader header = SparseHeader.Read(file);
            return header.Capacity >= line.Sectors
                ? OpenExtent(file, header, length, isForWriting, parent)
                : throw VmdkError.Damaged($"its extent {shown} has {header.Capacity} sectors, and the descriptor says {line.Sectors}");
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static IGrowableDevice OpenFile(VmdkExtentLine line, ImageFormatOptions options, bool isForWriting)
    {
        try
        {
            return options.OpenRelated!(line.Name, isForWriting);
        }
        catch (BlockDeviceException e) when (e.Error == BlockDeviceError.NotFound)
        {
            throw VmdkError.Parent($"its extent {VmdkError.Shown(line.Name)} is missing", e);
        }
    }

    private static VmdkExtent OpenExtent(IGrowableDevice file, SparseHeader header, long length, bool isForWriting, VmdkParent? parent)
    {
        if (!header.IsCompressed)
        {
            return SparseExtent.Open(file, header, length, isForWriting && !file.IsReadOnly, parent);
        }

        return parent is null ? StreamExtent.Open(file, header, length) : throw VmdkError.Unsupported("a delta link that is stream-optimized (compressed)");
    }

    private static VmdkParent? Part(VmdkDisk? parent, long start) => parent is null ? null : new VmdkParent(parent, start);

    private static ContentId MakeContentId(IGrowableDevice file, long place, VmdkDescriptor descriptor)
    {
        (int at, int digits) = descriptor.IdPlace.GetOffsetAndLength(int.MaxValue);
        return new ContentId(descriptor.Id, file, place + at, digits);
    }
}
