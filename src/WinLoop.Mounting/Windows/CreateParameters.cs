namespace WinLoop.Mounting.Windows;

/// <summary>What a program asks for when it creates a file.</summary>
public readonly ref struct CreateParameters
{
    /// <summary>FILE_DIRECTORY_FILE, FILE_DELETE_ON_CLOSE, ...: the low 24 bits of NtCreateFile's options.</summary>
    public uint CreateOptions { get; init; }
    /// <summary>Access mask that was granted.</summary>
    public uint GrantedAccess { get; init; }
    /// <summary>FILE_ATTRIBUTE_*.</summary>
    public uint FileAttributes { get; init; }
    /// <summary>Self-relative descriptor, inheritance already merged; empty = none given.</summary>
    public ReadOnlySpan<byte> SecurityDescriptor { get; init; }
    /// <summary>Bytes to reserve.</summary>
    public ulong AllocationSize { get; init; }
    /// <summary>FILE_FULL_EA_INFORMATION list, or reparse data if <see cref="ExtraIsReparsePoint"/>.</summary>
    public ReadOnlySpan<byte> Extra { get; init; }
    /// <summary>What <see cref="Extra"/> is.</summary>
    public bool ExtraIsReparsePoint { get; init; }
}

/// <summary>What Cleanup does; the values are WinFsp's FspCleanup*.</summary>
[Flags]
public enum CleanupFlags : uint
{
#pragma warning disable CS1591
    None = 0, Delete = 1, SetAllocationSize = 2, SetArchiveBit = 0x10, SetLastAccessTime = 0x20, SetLastWriteTime = 0x40, SetChangeTime = 0x80,
#pragma warning restore CS1591
}

/// <summary>Takes one entry of a listing; false = no room, stop before it.</summary>
/// <param name="name">As Windows sees it; valid during the call only.</param>
/// <param name="info">Attributes.</param>
public delegate bool WindowsDirectorySink(ReadOnlySpan<char> name, in WindowsFileInfo info);

/// <summary>Takes one stream; false = no room.</summary>
/// <param name="name">Without colons; empty for the file's own content.</param>
/// <param name="size">Bytes of content.</param>
/// <param name="allocationSize">Bytes on the volume.</param>
public delegate bool WindowsStreamSink(ReadOnlySpan<char> name, ulong size, ulong allocationSize);
