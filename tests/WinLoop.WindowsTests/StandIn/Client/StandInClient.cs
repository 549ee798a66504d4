using System.Runtime.InteropServices;
using System.Text;
using WinLoop.Mounting.Windows;

namespace WinLoop.WindowsTests.StandIn.Client;

/// <summary>What the stand-in counts.</summary>
public readonly record struct StandInStatistics(int OpenHandles, int OpenContexts, int DirtyPages, uint LastLostStatus, bool IsRunning,
    int LostWrites, long CachedReads, long CachedWrites, long PagingReads, long PagingWrites);

/// <summary>A volume as programs see it.</summary>
public readonly record struct VolumeAnswer(ulong TotalSize, ulong FreeSize, ulong CreationTime, uint SerialNumber, int SectorSize,
    int SectorsPerUnit, uint Flags, uint FileInfoTimeout, string Label, string FileSystemName);

/// <summary>One simulated program that works on one volume of the stand-in driver.</summary>
public sealed class StandInClient : IDisposable
{
    private static int s_lastId;

    private readonly ITransport _transport;
    private readonly uint _id = (uint)Interlocked.Increment(ref s_lastId);
    private readonly uint _volume;

    private StandInClient(ITransport transport, string mountPoint)
    {
        _transport = transport;
        _volume = Transact(new Request { Operation = StandInOperation.FindVolume, First = Text(mountPoint) }).Succeeded("find " + mountPoint).Small[0];
    }

    /// <summary>A program in this process.</summary>
    /// <param name="library">The stand-in's shared library.</param>
    /// <param name="mountPoint">As it was mounted; empty = the newest.</param>
    public static StandInClient InProcess(string library, string mountPoint = "") => new(new InProcessTransport(library), mountPoint);

    /// <summary>A program in another process, which listens at a port.</summary>
    public static StandInClient Tcp(int port, string mountPoint = "") => new(new TcpTransport(port), mountPoint);

    /// <summary>Opens or creates; the caller closes.</summary>
    /// <exception cref="NtStatusException">It failed.</exception>
    public NtFile Create(string path, Access access = Access.ReadWrite | Access.Delete, Disposition disposition = Disposition.OpenIf,
        Options options = Options.None, Share share = Share.All, uint attributes = 0, ulong allocationSize = 0,
        byte[]? descriptor = null, byte[]? extra = null, bool extraIsReparsePoint = false)
    {
        Answer answer = TryCreate(path, access, disposition, options, share, attributes, allocationSize, descriptor, extra, extraIsReparsePoint);
        if (answer.Status == NtStatus.Reparse)
        {
            throw new NtStatusException(answer.Status, "create " + path);
        }
        answer.Succeeded($"{disposition} {path}");
        return new NtFile(this, answer, path);
    }

    /// <summary>The status that opening or creating has; what was opened is closed again.</summary>
    public NtStatus CreateStatus(string path, Access access = Access.ReadWrite, Disposition disposition = Disposition.Open,
        Options options = Options.None, Share share = Share.All, uint attributes = 0, byte[]? descriptor = null)
    {
        Answer answer = TryCreate(path, access, disposition, options, share, attributes, 0, descriptor, null, false);
        if (answer.Status == NtStatus.Success)
        {
            new NtFile(this, answer, path).Dispose();
        }
        return answer.Status;
    }

    /// <summary>Makes a directory.</summary>
    public void MakeDirectory(string path) => Create(path, Access.ReadAttributes, Disposition.Create, Options.Directory).Dispose();

    /// <summary>Creates or overwrites a file with all of its content.</summary>
    public void WriteAll(string path, ReadOnlySpan<byte> content)
    {
        using NtFile file = Create(path, Access.ReadWrite, Disposition.OverwriteIf, Options.NonDirectory);
        file.WriteAll(content);
    }

    /// <summary>All of a file's content.</summary>
    public byte[] ReadAll(string path)
    {
        using NtFile file = Create(path, Access.Read, Disposition.Open, Options.NonDirectory);
        return file.ReadAll();
    }

    /// <summary>Deletes a file or an empty directory as DeleteFileW does today.</summary>
    public void Delete(string path)
    {
        using NtFile file = Create(path, Access.Delete, Disposition.Open, Options.OpenReparsePoint);
        file.SetDisposition(DispositionFlags.Delete | DispositionFlags.Posix);
    }

    /// <summary>Renames as MoveFileExW does.</summary>
    public void Rename(string path, string newPath, RenameOptions options = RenameOptions.Replace | RenameOptions.Posix)
    {
        using NtFile file = Create(path, Access.Delete, Disposition.Open, Options.OpenReparsePoint);
        file.Rename(newPath, options);
    }

    /// <summary>All names of a directory but "." and "..".</summary>
    public List<DirectoryItem> List(string path, string? pattern = null)
    {
        using NtFile directory = Create(path, Access.Read, Disposition.Open, Options.Directory);
        return [.. directory.List(pattern).Where(i => i.Name is not ("." or ".."))];
    }

    /// <summary>True if the name can be opened.</summary>
    public bool Exists(string path) => CreateStatus(path, Access.ReadAttributes, options: Options.OpenReparsePoint) == NtStatus.Success;

    /// <summary>Size, label, settings.</summary>
    public VolumeAnswer QueryVolume()
    {
        Answer a = Transact(new Request { Operation = StandInOperation.QueryVolume }).Succeeded("query volume");
        int labelBytes = (int)a.Small[5];
        return new VolumeAnswer(a.Large[0], a.Large[1], a.Large[2], a.Small[0], (int)a.Small[1], (int)a.Small[2], a.Small[3], a.Small[4],
            Encoding.Unicode.GetString(a.Blob, 0, labelBytes), Encoding.Unicode.GetString(a.Blob, labelBytes, a.Blob.Length - labelBytes));
    }

    /// <summary>Renames the volume.</summary>
    public NtStatus SetLabel(string label) => Transact(new Request { Operation = StandInOperation.SetLabel, First = Text(label) }).Status;

    /// <summary>Who this program runs as from now on.</summary>
    public void SetToken(byte[] user, byte[] group, Privileges privileges = Privileges.ChangeNotify, params byte[][] groups) =>
        Transact(new Request
        {
            Operation = StandInOperation.SetToken, Small = [(uint)privileges], First = user, Second = group, Third = groups.SelectMany(g => g).ToArray(),
        }).Succeeded("set token");

    /// <summary>What FlushFileBuffers on the root directory does: all cached data, then the volume.</summary>
    public NtStatus FlushVolume() => Transact(new Request { Operation = StandInOperation.FlushVolume }).Status;

    /// <summary>Has the lazy writer write now.</summary>
    /// <param name="runs">How much at most; 0 = everything.</param>
    public void WriteLazily(uint runs = 0) => Transact(new Request { Operation = StandInOperation.LazyWrite, Small = [runs] }).Succeeded("lazy write");

    /// <summary>How often the lazy writer runs by itself.</summary>
    public void SetLazyInterval(uint milliseconds) =>
        Transact(new Request { Operation = StandInOperation.LazyInterval, Small = [milliseconds] }).Succeeded("lazy interval");

    /// <summary>Counts.</summary>
    public StandInStatistics GetStatistics()
    {
        Answer a = Transact(new Request { Operation = StandInOperation.Statistics }).Succeeded("statistics");
        return new StandInStatistics((int)a.Small[0], (int)a.Small[1], (int)a.Small[2], a.Small[3], a.Small[4] != 0, (int)a.Small[5],
            (long)a.Large[0], (long)a.Large[1], (long)a.Large[2], (long)a.Large[3]);
    }

    /// <summary>Calls of each callback so far.</summary>
    public IReadOnlyDictionary<Slot, long> GetCounters()
    {
        Answer a = Transact(new Request { Operation = StandInOperation.Counters }).Succeeded("counters");
        ReadOnlySpan<ulong> counts = MemoryMarshal.Cast<byte, ulong>(a.Blob);
        var result = new Dictionary<Slot, long>();
        for (int i = 0; i < counts.Length; i++)
        {
            result[(Slot)i] = (long)counts[i];
        }
        return result;
    }

    /// <summary>The callbacks since the last call, with their statuses; begins or ends noting them.</summary>
    public IReadOnlyList<(Slot Slot, NtStatus Status)> Trace(bool on)
    {
        Answer a = Transact(new Request { Operation = StandInOperation.Trace, Small = [on ? 1u : 0] }).Succeeded("trace");
        ReadOnlySpan<uint> words = MemoryMarshal.Cast<byte, uint>(a.Blob);
        var result = new List<(Slot, NtStatus)>();
        for (int i = 0; i + 1 < words.Length; i += 2)
        {
            result.Add(((Slot)words[i], (NtStatus)words[i + 1]));
        }
        return result;
    }

    /// <summary>The changes that watchers of directories would have been told of since the last call.</summary>
    public IReadOnlyList<(uint Filter, uint Action, string Name)> ReadChanges()
    {
        Answer a = Transact(new Request { Operation = StandInOperation.Changes }).Succeeded("changes");
        var result = new List<(uint, uint, string)>();
        for (int at = 0; at + 12 <= a.Blob.Length;)
        {
            int bytes = BitConverter.ToInt32(a.Blob, at + 8);
            result.Add((BitConverter.ToUInt32(a.Blob, at), BitConverter.ToUInt32(a.Blob, at + 4), Encoding.Unicode.GetString(a.Blob, at + 12, bytes)));
            at += (12 + bytes + 3) & ~3;
        }
        return result;
    }

    /// <summary>The driver goes away in the middle of things.</summary>
    public void LoseDriver() => Transact(new Request { Operation = StandInOperation.LoseDriver }).Succeeded("lose driver");

    /// <summary>Nanoseconds of one callback, called in a loop from this thread.</summary>
    /// <param name="slot">Which.</param>
    /// <param name="times">How often.</param>
    /// <param name="path">For GetSecurityByName and Open.</param>
    /// <param name="file">For the others.</param>
    /// <param name="leaf">For GetDirInfoByName.</param>
    /// <param name="bytes">For Read and Write.</param>
    /// <returns>Nanoseconds a call, and entries that were listed in all.</returns>
    public (double NanosecondsPerCall, long Entries) Bench(Slot slot, uint times, string path = "", NtFile? file = null, string leaf = "", uint bytes = 4096)
    {
        Answer a = Transact(new Request
        {
            Operation = StandInOperation.Bench, Handle = file?.Handle ?? 0, Small = [(uint)slot, times, bytes], First = Text(path), Second = Text(leaf),
        }).Succeeded("bench " + slot);
        return ((double)a.Large[1] / times, (long)a.Large[2]);
    }

    /// <inheritdoc/>
    public void Dispose() => _transport.Dispose();

    internal static ReadOnlySpan<byte> Text(string text) => MemoryMarshal.AsBytes(text.AsSpan());

    internal Answer Transact(Request request) => _transport.Transact(
        new Request
        {
            Operation = request.Operation, Client = _id, Volume = _volume, Handle = request.Handle, Small = request.Small, Large = request.Large,
            First = request.First, Second = request.Second, Third = request.Third,
        }.ToBytes());

    private Answer TryCreate(string path, Access access, Disposition disposition, Options options, Share share, uint attributes,
        ulong allocationSize, byte[]? descriptor, byte[]? extra, bool extraIsReparsePoint) => Transact(new Request
        {
            Operation = StandInOperation.Create,
            Small = [(uint)access, attributes, (uint)share, (uint)disposition, (uint)options, extraIsReparsePoint ? 1u : 0],
            Large = [allocationSize],
            First = Text(path),
            Second = descriptor,
            Third = extra,
        });
}
