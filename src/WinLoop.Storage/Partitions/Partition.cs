namespace WinLoop.Storage;

/// <summary>The kinds of partition table.</summary>
public enum PartitionScheme
{
    /// <summary>There is none.</summary>
    None,

    /// <summary>Master boot record, with extended partitions (<c>dos</c>).</summary>
    Mbr,

    /// <summary>GUID partition table.</summary>
    Gpt,
}

/// <summary>One partition.</summary>
/// <param name="Number">As Linux counts: MBR 1 to 4 for primary ones and from 5 on for logical ones; GPT the
/// place in the table, from 1.</param>
/// <param name="Start">First byte on the device.</param>
/// <param name="Length">Size in bytes, cut at the end of the device.</param>
/// <param name="Type">MBR: two hexadecimal digits, for example <c>83</c>. GPT: the GUID in lower case.</param>
/// <param name="TypeName">What the type stands for, where it is a usual one.</param>
/// <param name="Name">The GPT's name, printable; empty if there is none.</param>
/// <param name="IsExtended">Only a container of logical partitions.</param>
/// <param name="IsExtCandidate">An ext superblock's magic number is where it belongs.</param>
public sealed record Partition(
    int Number, long Start, long Length, string Type, string? TypeName, string Name, bool IsExtended, bool IsExtCandidate);

/// <summary>A partition table contradicts its format, so that nothing of it can be trusted.</summary>
public sealed class PartitionTableException(string message) : IOException(message);

/// <summary>What kind of content a partition type stands for; only what people meet on images with Linux.</summary>
internal static class PartitionTypes
{
    internal static string? OfMbr(byte type) => type switch
    {
        0x01 or 0x04 or 0x06 or 0x0B or 0x0C or 0x0E => "FAT",
        0x05 or 0x0F or 0x85 => "Extended",
        0x07 => "NTFS or exFAT",
        0x82 => "Linux swap",
        0x83 => "Linux",
        0x8E => "Linux LVM",
        0xA5 => "FreeBSD",
        0xEE => "GPT",
        0xEF => "EFI system",
        0xFD => "Linux RAID",
        _ => null,
    };

    internal static string? OfGpt(string guid) => guid switch
    {
        "0fc63daf-8483-4772-8e79-3d69d8477de4" => "Linux",
        "4f68bce3-e8cd-4db1-96e7-fbcaf984b709" => "Linux root (x86-64)",
        "b921b045-1df0-41c3-af44-4c6f280d3fae" => "Linux root (ARM-64)",
        "933ac7e1-2eb4-4f13-b844-0e14e2aef915" => "Linux home",
        "bc13c2ff-59e6-4262-a352-b275fd6f7172" => "Linux extended boot",
        "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f" => "Linux swap",
        "e6d6d379-f507-44c2-a23c-238f2a3df928" => "Linux LVM",
        "a19d880f-05fc-4d3b-a006-743f0f84911e" => "Linux RAID",
        "c12a7328-f81f-11d2-ba4b-00a0c93ec93b" => "EFI system",
        "21686148-6449-6e6f-744e-656564454649" => "BIOS boot",
        "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7" => "Microsoft basic data",
        "e3c9e316-0b5c-4db8-817d-f92df00215ae" => "Microsoft reserved",
        _ => null,
    };
}
