namespace WinLoop.Storage;

/// <summary>What a loop device can be asked for (<c>req_op</c>).</summary>
internal enum LoopOperation
{
    Read,
    Write,
    Flush,
    Discard,
    WriteZeroes,
}

/// <summary>One request to a loop device (<c>struct loop_cmd</c>).</summary>
internal sealed unsafe class LoopCommand : Request
{
    internal LoopOperation Kind;

    /// <summary>The caller's memory, pinned for the time of the request.</summary>
    internal byte* Buffer;

    /// <summary>Within the device, in bytes.</summary>
    internal long Offset;

    internal long Length;

    /// <inheritdoc/>
    public override string Describe() => $"offset {Offset} length {Length}";
}
