using System.Runtime.InteropServices;

namespace WinLoop.Storage.Linux;

/// <summary>An aligned buffer per thread, for direct transfers from and to memory that is not.</summary>
internal sealed unsafe class BounceBuffer
{
    internal const int Size = 256 * 1024;

    [ThreadStatic]
    private static BounceBuffer? t_buffer;

    private readonly void* _memory = NativeMemory.AlignedAlloc(Size, 4096);

    ~BounceBuffer() => NativeMemory.AlignedFree(_memory);

    /// <summary>This thread's buffer; valid as long as the thread lives.</summary>
    internal static byte* Get() => (byte*)(t_buffer ??= new BounceBuffer())._memory;
}
