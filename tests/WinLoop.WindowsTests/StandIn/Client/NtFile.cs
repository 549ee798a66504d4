using System.Runtime.InteropServices;
using System.Text;
using WinLoop.Mounting.Windows;

namespace WinLoop.WindowsTests.StandIn.Client;

/// <summary>One name of a listing.</summary>
public readonly record struct DirectoryItem(string Name, WindowsFileInfo Info);

/// <summary>One stream of a file; the name as <c>:name:$DATA</c> without the type, empty for the content.</summary>
public readonly record struct StreamItem(string Name, ulong Size, ulong AllocationSize);

/// <summary>A handle that a simulated program has.</summary>
public sealed class NtFile : IDisposable
{
    private const int DirInfoHead = 104, StreamInfoHead = 24;
    private const int Chunk = 1 << 20;

    private readonly StandInClient _client;
    private readonly string _path;
    private bool _isClosed;

    internal NtFile(StandInClient client, Answer answer, string path)
    {
        _client = client;
        _path = path;
        Handle = answer.Handle;
        Result = (CreateResult)answer.Small[0];
        IsCached = answer.Small[2] != 0;
        OpenInfo = answer.Info;
    }

    internal ulong Handle { get; }

    /// <summary>What the creation did.</summary>
    public CreateResult Result { get; }

    /// <summary>The cache manager keeps this handle's data.</summary>
    public bool IsCached { get; }

    /// <summary>What the creation told.</summary>
    public WindowsFileInfo OpenInfo { get; }

    /// <summary>Attributes as they are now.</summary>
    public WindowsFileInfo GetInfo() => Do(StandInOperation.QueryInfo).Succeeded("query " + _path).Info;

    /// <summary>Reads; fewer bytes at the end, none behind it.</summary>
    public byte[] Read(ulong offset, int length)
    {
        Answer answer = Transact(new Request { Operation = StandInOperation.Read, Small = [(uint)length], Large = [offset] });
        return answer.Status == NtStatus.EndOfFile ? [] : answer.Succeeded($"read {_path}").Blob;
    }

    /// <summary>All content.</summary>
    public byte[] ReadAll()
    {
        using var all = new MemoryStream();
        while (Read((ulong)all.Length, Chunk) is { Length: > 0 } part)
        {
            all.Write(part);
        }
        return all.ToArray();
    }

    /// <summary>Writes; the status if it failed.</summary>
    public NtStatus TryWrite(ulong offset, ReadOnlySpan<byte> data, bool append = false) => Transact(new Request
    {
        Operation = StandInOperation.Write, Small = [append ? 1u : 0], Large = [offset], First = data,
    }).Status;

    /// <summary>Writes all of it.</summary>
    public void Write(ulong offset, ReadOnlySpan<byte> data, bool append = false)
    {
        Answer answer = Transact(new Request { Operation = StandInOperation.Write, Small = [append ? 1u : 0], Large = [offset], First = data });
        answer.Succeeded("write " + _path);
        if (answer.Small[0] != data.Length)
        {
            throw new InvalidOperationException($"write {_path}: {answer.Small[0]} of {data.Length} bytes");
        }
    }

    /// <summary>Writes from the start, in pieces.</summary>
    public void WriteAll(ReadOnlySpan<byte> content)
    {
        for (int at = 0; at < content.Length; at += Chunk)
        {
            Write((ulong)at, content[at..Math.Min(at + Chunk, content.Length)]);
        }
    }

    /// <summary>FlushFileBuffers.</summary>
    public NtStatus Flush() => Do(StandInOperation.Flush).Status;

    /// <summary>Sets attributes and times; 0 = keep.</summary>
    public NtStatus SetBasic(uint attributes = 0, ulong creation = 0, ulong access = 0, ulong write = 0, ulong change = 0) => Transact(new Request
    {
        Operation = StandInOperation.SetBasic, Small = [attributes], Large = [creation, access, write, change],
    }).Status;

    /// <summary>Sets the end of the file.</summary>
    public NtStatus SetEnd(ulong size) => Transact(new Request { Operation = StandInOperation.SetEnd, Large = [size] }).Status;

    /// <summary>Sets what is reserved.</summary>
    public NtStatus SetAllocation(ulong size) => Transact(new Request { Operation = StandInOperation.SetAllocation, Large = [size] }).Status;

    /// <summary>FileDispositionInformation(Ex); throws if it is refused.</summary>
    public void SetDisposition(DispositionFlags flags) => TrySetDisposition(flags, extended: true).ThrowIfFailed("delete " + _path);

    /// <summary>FileDispositionInformation(Ex).</summary>
    public NtStatus TrySetDisposition(DispositionFlags flags, bool extended) => Transact(new Request
    {
        Operation = StandInOperation.SetDisposition, Small = [(uint)flags, extended ? 1u : 0],
    }).Status;

    /// <summary>FileRenameInformation(Ex); throws if it is refused.</summary>
    public void Rename(string newPath, RenameOptions options) => TryRename(newPath, options).ThrowIfFailed($"rename {_path} to {newPath}");

    /// <summary>FileRenameInformation(Ex).</summary>
    public NtStatus TryRename(string newPath, RenameOptions options = RenameOptions.None) => Transact(new Request
    {
        Operation = StandInOperation.Rename, Small = [(uint)options], First = StandInClient.Text(newPath),
    }).Status;

    /// <summary>The name, from the root.</summary>
    public string GetName() => Encoding.Unicode.GetString(Do(StandInOperation.QueryName).Succeeded("query name").Blob);

    /// <summary>A self-relative descriptor.</summary>
    public byte[] GetSecurity(uint information) =>
        Transact(new Request { Operation = StandInOperation.QuerySecurity, Small = [information] }).Succeeded("query security").Blob;

    /// <summary>Changes parts of the descriptor.</summary>
    public NtStatus SetSecurity(uint information, byte[] descriptor) =>
        Transact(new Request { Operation = StandInOperation.SetSecurity, Small = [information], First = descriptor }).Status;

    /// <summary>One directory query; the status with what it gave.</summary>
    public (NtStatus Status, List<DirectoryItem> Items) Query(string? pattern = null, bool restart = false, bool single = false,
        int programBuffer = 0, int systemBuffer = 0)
    {
        Answer answer = Transact(new Request
        {
            Operation = StandInOperation.QueryDirectory,
            Small = [(restart ? 1u : 0) | (single ? 2u : 0), (uint)programBuffer, (uint)systemBuffer],
            First = StandInClient.Text(pattern ?? ""),
        });
        var items = new List<DirectoryItem>();
        for (int at = 0; at + DirInfoHead <= answer.Blob.Length;)
        {
            int size = BitConverter.ToUInt16(answer.Blob, at);
            items.Add(new DirectoryItem(Encoding.Unicode.GetString(answer.Blob, at + DirInfoHead, size - DirInfoHead),
                MemoryMarshal.Read<WindowsFileInfo>(answer.Blob.AsSpan(at + 8))));
            at += (size + 7) & ~7;
        }
        return (answer.Status, items);
    }

    /// <summary>All that match.</summary>
    public List<DirectoryItem> List(string? pattern = null, int systemBuffer = 0)
    {
        var all = new List<DirectoryItem>();
        for (bool first = true; ; first = false)
        {
            (NtStatus status, List<DirectoryItem> items) = Query(pattern, restart: first, systemBuffer: systemBuffer);
            all.AddRange(items);
            if (status is NtStatus.NoMoreFiles or NtStatus.NoSuchFile)
            {
                return all;
            }
            status.ThrowIfFailed("list " + _path);
        }
    }

    /// <summary>FILE_FULL_EA_INFORMATION of all extended attributes; empty if there are none.</summary>
    public byte[] GetEa()
    {
        Answer answer = Do(StandInOperation.QueryEa);
        return answer.Status == NtStatus.Success ? answer.Blob : answer.Succeeded("query EA").Blob;
    }

    /// <summary>Sets extended attributes.</summary>
    public NtStatus SetEa(byte[] list) => Transact(new Request { Operation = StandInOperation.SetEa, First = list }).Status;

    /// <summary>FSCTL_GET_REPARSE_POINT.</summary>
    public (NtStatus Status, byte[] Data) GetReparsePoint()
    {
        Answer answer = Do(StandInOperation.GetReparse);
        return (answer.Status, answer.Blob);
    }

    /// <summary>FSCTL_SET_REPARSE_POINT.</summary>
    public NtStatus SetReparsePoint(byte[] data) => Transact(new Request { Operation = StandInOperation.SetReparse, First = data }).Status;

    /// <summary>FSCTL_DELETE_REPARSE_POINT.</summary>
    public NtStatus DeleteReparsePoint(byte[] data) => Transact(new Request { Operation = StandInOperation.DeleteReparse, First = data }).Status;

    /// <summary>DeviceIoControl with a buffer each way; the status with what came back.</summary>
    public (NtStatus Status, byte[] Output) Control(uint code, byte[] input, int outputSize)
    {
        Answer answer = Transact(new Request { Operation = StandInOperation.Control, Small = [code, (uint)outputSize], First = input });
        return (answer.Status, answer.Blob);
    }

    /// <summary>All streams.</summary>
    public List<StreamItem> GetStreams()
    {
        byte[] blob = Do(StandInOperation.QueryStreams).Succeeded("query streams").Blob;
        var items = new List<StreamItem>();
        for (int at = 0; at + StreamInfoHead <= blob.Length;)
        {
            int size = BitConverter.ToUInt16(blob, at);
            items.Add(new StreamItem(Encoding.Unicode.GetString(blob, at + StreamInfoHead, size - StreamInfoHead),
                BitConverter.ToUInt64(blob, at + 8), BitConverter.ToUInt64(blob, at + 16)));
            at += (size + 7) & ~7;
        }
        return items;
    }

    /// <summary>LockFile.</summary>
    public NtStatus Lock(ulong offset, ulong length, bool exclusive, uint key = 0) => Transact(new Request
    {
        Operation = StandInOperation.Lock, Small = [exclusive ? 1u : 0, key], Large = [offset, length],
    }).Status;

    /// <summary>UnlockFile.</summary>
    public NtStatus Unlock(ulong offset, ulong length, uint key = 0) => Transact(new Request
    {
        Operation = StandInOperation.Unlock, Small = [0, key], Large = [offset, length],
    }).Status;

    /// <summary>Closes the handle, but what is mapped stays and can be read and written.</summary>
    public void CleanupOnly() => Transact(new Request { Operation = StandInOperation.Close, Small = [1] }).Succeeded("cleanup");

    /// <summary>Closes the handle.</summary>
    public void Dispose()
    {
        if (!_isClosed)
        {
            _isClosed = true;
            Do(StandInOperation.Close);
        }
    }

    private Answer Do(StandInOperation operation) => Transact(new Request { Operation = operation });

    private Answer Transact(Request request) => _client.Transact(new Request
    {
        Operation = request.Operation, Handle = Handle, Small = request.Small, Large = request.Large, First = request.First,
    });
}

/// <summary>Statuses in tests.</summary>
public static class NtStatusChecks
{
    /// <summary>Throws unless the status is a success.</summary>
    public static void ThrowIfFailed(this NtStatus status, string what)
    {
        if ((uint)status >= 0x80000000)
        {
            throw new NtStatusException(status, what);
        }
    }
}
