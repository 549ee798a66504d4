using System.Numerics;

namespace WinLoop.Images.Qcow2;

/// <summary>The feature bits of a header of version 3, and what is done about them.</summary>
internal static class Qcow2Feature
{
    /// <summary>Incompatible: the refcounts may be wrong; the file was not closed by a writer of lazy refcounts.</summary>
    public const ulong Dirty = 1 << 0;

    /// <summary>Incompatible: a structure is known to be wrong.</summary>
    public const ulong Corrupt = 1 << 1;

    /// <summary>Compatible: refcounts may be late.</summary>
    public const ulong LazyRefcounts = 1 << 0;

    private const ulong ExternalData = 1 << 2, CompressionType = 1 << 3, ExtendedL2 = 1 << 4;
    private const ulong Known = Dirty | Corrupt | ExternalData | CompressionType | ExtendedL2;

    /// <summary>Refuses by name what cannot even be read.</summary>
    public static void Check(Qcow2Header header, byte compressionType, uint cryptMethod)
    {
        ulong unknown = header.Incompatible & ~Known;
        if (unknown != 0)
        {
            int bit = BitOperations.TrailingZeroCount(unknown);
            string name = header.Extensions.IncompatibleNames.TryGetValue(bit, out string? known) ? $" ('{known}')" : "";
            throw Qcow2Error.Unsupported($"the incompatible feature of bit {bit}{name}");
        }

        if ((header.Incompatible & ExternalData) != 0)
        {
            throw Qcow2Error.Unsupported("an external data file (data_file)");
        }

        if ((header.Incompatible & ExtendedL2) != 0)
        {
            throw Qcow2Error.Unsupported("extended L2 entries (extended_l2)");
        }

        if (((header.Incompatible & CompressionType) != 0) != (compressionType != 0))
        {
            throw Qcow2Error.Damaged($"the compression type {compressionType} contradicts the feature bits");
        }

        if (compressionType != 0)
        {
            throw Qcow2Error.Unsupported(compressionType == 1 ? "compression with zstd" : $"compression of type {compressionType}");
        }

        if (cryptMethod != 0)
        {
            throw Qcow2Error.Unsupported(cryptMethod switch { 1 => "encryption (AES)", 2 => "encryption (LUKS)", _ => $"encryption of type {cryptMethod}" });
        }
    }

    /// <summary>Why a disk that can be read cannot be written; null: it can.</summary>
    public static string? WhyReadOnly(Qcow2Header header)
    {
        if ((header.Incompatible & Corrupt) != 0)
        {
            return "it is marked as corrupt; 'qemu-img check -r all' may repair it";
        }

        return (header.Incompatible & Dirty) != 0
            ? "it was not closed, and its reference counts may be wrong (dirty bit); 'qemu-img check -r all' mends them"
            : null;
    }
}
