using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using WinLoop.Mounting.Windows;
using WinLoop.Storage;
using WinLoop.WinFsp.Binding.Abi;

namespace WinLoop.WinFsp.Requests;

/// <summary>
/// One callback on its way through the request queue: its arguments, then its results. Used again and again, so that
/// a request allocates nothing.
/// </summary>
/// <remarks>Pointers are the caller's and valid during its call; only <see cref="Buffer"/> of a read, a write or a
/// listing stays valid until the request is answered.</remarks>
internal sealed unsafe class WindowsRequest : Request
{
    // Pinned, so that Path can point to it.
    private readonly char[] _marker = GC.AllocateUninitializedArray<char>(DirInfo.MaxName, pinned: true);

    public WindowsSession Session { get; set; } = null!;

    /// <summary>The open that the request is about; after Create and Open, the new one.</summary>
    public WindowsFile? File { get; set; }

    public char* Path { get; set; }
    public int PathLength { get; set; }

    /// <summary>Rename: the new path.</summary>
    public char* NewPath { get; set; }
    public int NewPathLength { get; set; }

    /// <summary>Where data goes to or comes from; also EA lists, reparse data and Create's extra buffer.</summary>
    public byte* Buffer { get; set; }
    public int Length { get; set; }

    /// <summary>Self-relative, or the modification of SetSecurity.</summary>
    public byte* Security { get; set; }
    public int SecurityLength { get; set; }

    /// <summary>Offset of a transfer, size for SetFileSize, allocation size for Create and Overwrite.</summary>
    public ulong Offset { get; set; }

    /// <summary>FILE_* options; for Cleanup its flags; for SetSecurity its SECURITY_INFORMATION.</summary>
    public uint Options { get; set; }
    public uint GrantedAccess { get; set; }
    public uint Attributes { get; set; }

    public ulong CreationTime { get; set; }
    public ulong LastAccessTime { get; set; }
    public ulong LastWriteTime { get; set; }
    public ulong ChangeTime { get; set; }

    /// <summary>The callback's own switch: append, allocation size, replace, delete, extra is reparse data, has marker.</summary>
    public bool Switch { get; set; }

    /// <summary>Write: paging I/O, which must not extend the file.</summary>
    public bool Constrained { get; set; }

    /// <summary>GetDirInfoByName: where the name as it is on the volume goes.</summary>
    public char* Name { get; set; }
    public int NameCapacity { get; set; }

    /// <summary>Packs the entries of a listing.</summary>
    public DirectoryFiller Directory { get; } = new();

    /// <summary>Packs the streams of a file.</summary>
    public StreamFiller Streams { get; } = new();

    public NtStatus Result { get; set; }

    /// <summary>Bytes moved, or written to <see cref="Buffer"/>; units written to <see cref="Name"/>.</summary>
    public int Transferred { get; set; }
    public byte[]? Descriptor { get; set; }
    public WindowsVolumeInfo VolumeInfo { get; set; }

    /// <summary>A field, so that it is written in place.</summary>
    public WindowsFileInfo Info;

    /// <summary>What the response of a deferred request refers to.</summary>
    public ulong Hint { get; private set; }

    public ReadOnlySpan<char> PathSpan => new(Path, PathLength);

    public ReadOnlySpan<byte> Data => new(Buffer, Length);

    public Span<byte> Room => new(Buffer, Length);

    /// <inheritdoc/>
    public override string Describe()
    {
        Span<char> name = stackalloc char[512];
        string path = Path != null ? PathSpan.ToString() : File is { } file && file.CopyName(name) is >= 0 and var length ? name[..length].ToString() : "";
        string place = (WindowsOperation)Operation is WindowsOperation.Read or WindowsOperation.Write ? $" offset {Offset} length {Length}" : "";
        return $"{path}{place} status 0x{(uint)Result:X8}";
    }

    /// <summary>Prepares for a callback; what it does not set is as if it were not there.</summary>
    public void Reset(WindowsSession session, WindowsOperation operation)
    {
        Session = session;
        Operation = (int)operation;
        Bytes = 0;
        File = null;
        Path = null;
        PathLength = 0;
        Buffer = null;
        Length = 0;
        Switch = false;
        Constrained = false;
        Result = NtStatus.UnexpectedIoError;
        Transferred = 0;
        Descriptor = null;
    }

    /// <summary>Sets <see cref="Path"/> to a NUL-terminated string, or to nothing.</summary>
    public void SetPath(char* path)
    {
        Path = path;
        PathLength = path == null ? 0 : MemoryMarshal.CreateReadOnlySpanFromNullTerminated(path).Length;
    }

    /// <summary>Sets <see cref="NewPath"/> to a NUL-terminated string, or to nothing.</summary>
    public void SetNewPath(char* path)
    {
        NewPath = path;
        NewPathLength = path == null ? 0 : MemoryMarshal.CreateReadOnlySpanFromNullTerminated(path).Length;
    }

    /// <inheritdoc/>
    protected override void OnDeferring()
    {
        // The marker lies in the dispatcher's request buffer, which its next request overwrites.
        if (Path != null)
        {
            PathSpan[..Math.Min(PathLength, _marker.Length)].CopyTo(_marker);
            Path = (char*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_marker));
            PathLength = Math.Min(PathLength, _marker.Length);
        }
        Hint = Session.Responder.CurrentHint();
        Session.BeginDeferred();
    }
}
