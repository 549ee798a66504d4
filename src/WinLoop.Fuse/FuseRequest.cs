using System.Runtime.InteropServices;
using WinLoop.Ext4;
using WinLoop.Fuse.Native;
using WinLoop.Fuse.Protocol;
using WinLoop.Storage;

namespace WinLoop.Fuse;

/// <summary>
/// One serving thread's request: the bytes that the kernel sent and the place where the reply is built. Made
/// once per thread and used for every request, so that a request allocates nothing.
/// </summary>
/// <remarks>The request begins so that the data of a WRITE, and the reply so that the data of a READ, lies on a
/// page boundary: both go between the kernel and the engine without a copy of ours.</remarks>
internal sealed unsafe class FuseRequest : Request, IDisposable
{
    /// <summary>The result of a handler whose request has no reply.</summary>
    public const int NoReply = int.MinValue;

    private const int PageSize = 4096;
    private const int WriteHeadSize = 80;       // InHeader and WriteIn

    private readonly byte* _memory;
    private readonly byte* _request;
    private readonly byte* _reply;
    private readonly int _requestCapacity;
    private int _length;

    /// <param name="maxTransfer">The most data in one READ or WRITE, in bytes; whole pages.</param>
    public FuseRequest(int maxTransfer)
    {
        ReplyCapacity = maxTransfer;
        _requestCapacity = maxTransfer + PageSize;
        nuint requestArea = (nuint)(PageSize + maxTransfer + PageSize);
        nuint replyArea = (nuint)(PageSize + maxTransfer);
        _memory = (byte*)NativeMemory.AlignedAlloc(requestArea + replyArea, PageSize);
        _request = _memory + PageSize - WriteHeadSize;
        _reply = _memory + requestArea + PageSize - sizeof(OutHeader);
        Directory = new DirectoryFiller();
    }

    /// <summary>The most bytes of a reply, header not counted.</summary>
    public int ReplyCapacity { get; }

    /// <summary>Packs directory entries for this thread.</summary>
    public DirectoryFiller Directory { get; }

    /// <summary>Entries in the reply that the kernel counts as lookups once it gets it.</summary>
    public int EntriesGiven { get; set; }

    /// <summary>What the handler answers: bytes of payload, −errno, or <see cref="NoReply"/>.</summary>
    public int Result { get; set; }

    public override string Describe() => $"node {Header.NodeId} pid {Header.Pid} result {(Result == NoReply ? "none" : Result.ToString(System.Globalization.CultureInfo.InvariantCulture))}";

    public ref readonly InHeader Header => ref *(InHeader*)_request;

    public Caller Caller => new(Header.Uid, Header.Gid);

    public Caller CallerWithUmask(uint umask) => new(Header.Uid, Header.Gid, (ushort)(umask & 0x1FF));

    /// <summary>What follows the header.</summary>
    public ReadOnlySpan<byte> Payload => new(_request + sizeof(InHeader), _length - sizeof(InHeader));

    /// <summary>Where the reply's payload begins; page aligned.</summary>
    public byte* Reply => _reply + sizeof(OutHeader);

    public Span<byte> ReplySpan => new(Reply, ReplyCapacity);

    /// <summary>Reads the next request from the kernel; returns the errno, 0 if there is one.</summary>
    public int Receive(int fd)
    {
        nint n = Libc.read(fd, _request, (nuint)_requestCapacity);
        if (n < 0)
        {
            return Marshal.GetLastPInvokeError();
        }
        EntriesGiven = 0;
        Bytes = 0;
        _length = (int)n;
        return n >= sizeof(InHeader) && Header.Length == (uint)n ? 0 : Libc.EPROTO;
    }

    /// <summary>Answers: a payload of <paramref name="result"/> bytes, or the error −<paramref name="result"/>.</summary>
    /// <returns>The errno, 0 if the kernel took the reply.</returns>
    public int Send(int fd, int result)
    {
        OutHeader* header = (OutHeader*)_reply;
        header->Length = (uint)(sizeof(OutHeader) + Math.Max(result, 0));
        header->Error = Math.Min(result, 0);
        header->Unique = Header.Unique;
        return Libc.write(fd, _reply, header->Length) < 0 ? Marshal.GetLastPInvokeError() : 0;
    }

    /// <summary>The request's first structure.</summary>
    /// <exception cref="FuseProtocolException">The request is too short.</exception>
    public ref readonly T In<T>() where T : unmanaged
    {
        if (_length < sizeof(InHeader) + sizeof(T))
        {
            throw new FuseProtocolException(Header.Opcode);
        }
        return ref *(T*)(_request + sizeof(InHeader));
    }

    /// <summary>What follows the first structure.</summary>
    public ReadOnlySpan<byte> After<T>() where T : unmanaged
    {
        _ = In<T>();
        return Payload[sizeof(T)..];
    }

    /// <summary>Clears and returns the reply's only structure.</summary>
    public T* Out<T>() where T : unmanaged
    {
        T* reply = (T*)Reply;
        *reply = default;
        return reply;
    }

    /// <summary>Splits a NUL-terminated name off <paramref name="bytes"/>.</summary>
    /// <exception cref="Ext4Exception">ENAMETOOLONG: more than 255 bytes.</exception>
    public ReadOnlySpan<byte> TakeName(ref ReadOnlySpan<byte> bytes)
    {
        ReadOnlySpan<byte> name = TakeString(ref bytes);
        return name.Length <= 255 ? name : throw new Ext4Exception(Errno.ENAMETOOLONG, "a name of more than 255 bytes");
    }

    /// <summary>Splits a NUL-terminated string of any length off <paramref name="bytes"/>.</summary>
    public ReadOnlySpan<byte> TakeString(ref ReadOnlySpan<byte> bytes)
    {
        int end = bytes.IndexOf((byte)0);
        if (end < 0)
        {
            throw new FuseProtocolException(Header.Opcode);
        }
        ReadOnlySpan<byte> value = bytes[..end];
        bytes = bytes[(end + 1)..];
        return value;
    }

    public void Dispose() => NativeMemory.AlignedFree(_memory);
}

/// <summary>A request that does not have the form it should have.</summary>
internal sealed class FuseProtocolException(Opcode opcode) : IOException($"malformed {opcode} request");
