using WinLoop.Ext4;

namespace WinLoop.Mounting.Windows;

/// <summary>
/// What an ext4 volume means on Windows, free of any binding: one method per callback of a host. Paths are absolute,
/// UTF-16, with <c>\</c>, and may end with <c>:stream</c>. All members may be called from several threads at once.
/// </summary>
/// <remarks>
/// A method returns the status for what callers must expect (not found, collision, end of file, buffer too small, ...)
/// and throws the engine's exceptions for the rest; <see cref="StatusMap.FromException"/> says their status.
/// </remarks>
public sealed class WindowsFileSystem : IDisposable
{
    /// <summary>Takes a mounted volume, which stays the caller's.</summary>
    public WindowsFileSystem(Ext4Volume volume, WindowsOptions options) => throw new NotImplementedException();

    /// <summary>What is announced when the volume appears.</summary>
    public WindowsVolumeFacts Facts => throw new NotImplementedException();

    /// <summary>Files that are open now.</summary>
    public int OpenFiles => throw new NotImplementedException();

    /// <summary>Size, free space, label.</summary>
    public NtStatus GetVolumeInfo(out WindowsVolumeInfo info) => throw new NotImplementedException();

    /// <summary>Renames the volume.</summary>
    public NtStatus SetVolumeLabel(ReadOnlySpan<char> label, out WindowsVolumeInfo info) => throw new NotImplementedException();

    /// <summary>Attributes and descriptor of a name. <see cref="NtStatus.Reparse"/>: a link stands before the last
    /// component; <paramref name="attributes"/> is then the index in <paramref name="path"/> of the first character
    /// of that link's component.</summary>
    /// <param name="path">The name.</param>
    /// <param name="attributes">FILE_ATTRIBUTE_*.</param>
    /// <param name="descriptor">Self-relative, cached: not to be changed. Empty = no access check.</param>
    public NtStatus GetSecurityByName(ReadOnlySpan<char> path, out uint attributes, out byte[] descriptor) => throw new NotImplementedException();

    /// <summary>Creates a file, a directory or a stream, and opens it.</summary>
    public NtStatus Create(ReadOnlySpan<char> path, in CreateParameters parameters, out WindowsFile? file, out WindowsFileInfo info) => throw new NotImplementedException();

    /// <summary>Opens what exists; links in the last component are opened themselves.</summary>
    public NtStatus Open(ReadOnlySpan<char> path, uint createOptions, uint grantedAccess, out WindowsFile? file, out WindowsFileInfo info) => throw new NotImplementedException();

    /// <summary>Truncates to nothing for FILE_OVERWRITE (attributes added) or FILE_SUPERSEDE (replaced).</summary>
    public NtStatus Overwrite(WindowsFile file, uint attributes, bool replaceAttributes, ulong allocationSize, ReadOnlySpan<byte> extra, out WindowsFileInfo info) => throw new NotImplementedException();

    /// <summary>The last handle is closed; with <see cref="CleanupFlags.Delete"/> the name goes now.</summary>
    public void Cleanup(WindowsFile file, ReadOnlySpan<char> path, CleanupFlags flags) => throw new NotImplementedException();

    /// <summary>Nothing refers to the open any more.</summary>
    public void Close(WindowsFile file) => throw new NotImplementedException();

    /// <summary>Reads; <see cref="NtStatus.EndOfFile"/> at or behind the end.</summary>
    public NtStatus Read(WindowsFile file, Span<byte> buffer, ulong offset, out int transferred) => throw new NotImplementedException();

    /// <summary>Writes.</summary>
    /// <param name="file">The open file.</param>
    /// <param name="buffer">The bytes.</param>
    /// <param name="offset">Where; ignored with <paramref name="toEnd"/>.</param>
    /// <param name="toEnd">Append.</param>
    /// <param name="constrained">Never extend: paging I/O.</param>
    /// <param name="transferred">Bytes written.</param>
    /// <param name="info">Attributes afterwards.</param>
    public NtStatus Write(WindowsFile file, ReadOnlySpan<byte> buffer, ulong offset, bool toEnd, bool constrained, out int transferred, out WindowsFileInfo info) => throw new NotImplementedException();

    /// <summary>Makes a file, or with null the whole volume, durable.</summary>
    public NtStatus Flush(WindowsFile? file, out WindowsFileInfo info) => throw new NotImplementedException();

    /// <summary>Attributes of an open file.</summary>
    public NtStatus GetFileInfo(WindowsFile file, out WindowsFileInfo info) => throw new NotImplementedException();

    /// <summary>Sets attributes (INVALID_FILE_ATTRIBUTES = keep) and times (0 = keep).</summary>
    public NtStatus SetBasicInfo(WindowsFile file, uint attributes, ulong creationTime, ulong lastAccessTime, ulong lastWriteTime, ulong changeTime, out WindowsFileInfo info) => throw new NotImplementedException();

    /// <summary>Sets the size of the content, or of what is reserved for it.</summary>
    public NtStatus SetFileSize(WindowsFile file, ulong size, bool isAllocationSize, out WindowsFileInfo info) => throw new NotImplementedException();

    /// <summary>Says whether the file may be deleted; the deletion is Cleanup's.</summary>
    public NtStatus SetDelete(WindowsFile file, ReadOnlySpan<char> path, bool delete) => throw new NotImplementedException();

    /// <summary>Moves a name; names of what is open below follow.</summary>
    public NtStatus Rename(WindowsFile file, ReadOnlySpan<char> path, ReadOnlySpan<char> newPath, bool replace) => throw new NotImplementedException();

    /// <summary>The descriptor of an open file: cached, not to be changed.</summary>
    public NtStatus GetSecurity(WindowsFile file, out byte[] descriptor) => throw new NotImplementedException();

    /// <summary>Takes a whole new descriptor, already merged with the old one by the host.</summary>
    /// <param name="file">The open file.</param>
    /// <param name="information">SECURITY_INFORMATION: which parts were changed.</param>
    /// <param name="descriptor">Self-relative.</param>
    public NtStatus SetSecurity(WindowsFile file, uint information, ReadOnlySpan<byte> descriptor) => throw new NotImplementedException();

    /// <summary>Lists a directory, "." and ".." included except in the root.</summary>
    /// <param name="file">The open directory.</param>
    /// <param name="marker">Entries after this name; ignored unless <paramref name="hasMarker"/>. The name may be gone.</param>
    /// <param name="hasMarker">False: from the start.</param>
    /// <param name="sink">Takes the entries.</param>
    /// <param name="isEnd">True: there are no more; false: the sink had no room.</param>
    public NtStatus ReadDirectory(WindowsFile file, ReadOnlySpan<char> marker, bool hasMarker, WindowsDirectorySink sink, out bool isEnd) => throw new NotImplementedException();

    /// <summary>One name of a directory.</summary>
    public NtStatus GetDirInfoByName(WindowsFile file, ReadOnlySpan<char> name, Span<char> actualName, out int actualLength, out WindowsFileInfo info) => throw new NotImplementedException();

    /// <summary>REPARSE_DATA_BUFFER of a name; NotAReparsePoint if it has none.</summary>
    public NtStatus GetReparsePointByName(ReadOnlySpan<char> path, Span<byte> buffer, out int length) => throw new NotImplementedException();

    /// <summary>REPARSE_DATA_BUFFER of an open file.</summary>
    public NtStatus GetReparsePoint(WindowsFile file, Span<byte> buffer, out int length) => throw new NotImplementedException();

    /// <summary>Turns an empty file or directory into a link or a special file.</summary>
    public NtStatus SetReparsePoint(WindowsFile file, ReadOnlySpan<char> path, ReadOnlySpan<byte> data) => throw new NotImplementedException();

    /// <summary>Turns a link into an empty file.</summary>
    public NtStatus DeleteReparsePoint(WindowsFile file, ReadOnlySpan<char> path, ReadOnlySpan<byte> data) => throw new NotImplementedException();

    /// <summary>The streams of a file.</summary>
    public NtStatus GetStreamInfo(WindowsFile file, WindowsStreamSink sink) => throw new NotImplementedException();

    /// <summary>FILE_FULL_EA_INFORMATION list of all extended attributes.</summary>
    /// <returns><see cref="NtStatus.BufferOverflow"/>: the buffer is too small.</returns>
    public NtStatus GetEa(WindowsFile file, Span<byte> buffer, out int length) => throw new NotImplementedException();

    /// <summary>Sets the extended attributes of a FILE_FULL_EA_INFORMATION list; an empty value deletes.</summary>
    public NtStatus SetEa(WindowsFile file, ReadOnlySpan<byte> list, out WindowsFileInfo info) => throw new NotImplementedException();

    /// <summary>Finishes what is still open: deletes what was marked for it, gives references back. The volume stays.</summary>
    public void Dispose() => throw new NotImplementedException();
}
