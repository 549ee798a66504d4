using WinLoop.Storage;

namespace WinLoop.Images.Tests.PowerCuts;

/// <summary>What a container did to its file.</summary>
internal enum FileOperationKind
{
    Write,
    Zero,
    SetLength,
    Flush,
}

/// <summary>One operation on a file; <c>Length</c> is the new size of a SetLength.</summary>
internal readonly record struct FileOperation(FileOperationKind Kind, long Offset, long Length, byte[]? Data = null);

/// <summary>A file in memory that remembers what was done to it. For one thread.</summary>
internal sealed class RecordingFile(MemoryFile inner) : IGrowableDevice
{
    public List<FileOperation> Log { get; } = [];

    public long Length => inner.Length;

    public bool IsReadOnly => false;

    public int SectorSize => 512;

    public void Read(Span<byte> buffer, long offset) => inner.Read(buffer, offset);

    public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data)
    {
        inner.Write(buffer, offset, tag);
        Log.Add(new FileOperation(FileOperationKind.Write, offset, buffer.Length, buffer.ToArray()));
    }

    public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data)
    {
        inner.WriteZeroes(offset, length, tag);
        Log.Add(new FileOperation(FileOperationKind.Zero, offset, length));
    }

    public void Discard(long offset, long length) => WriteZeroes(offset, length);

    public void SetLength(long length)
    {
        inner.SetLength(length);
        Log.Add(new FileOperation(FileOperationKind.SetLength, 0, length));
    }

    public void Flush() => Log.Add(new FileOperation(FileOperationKind.Flush, 0, 0));

    public void Dispose()
    {
    }
}
