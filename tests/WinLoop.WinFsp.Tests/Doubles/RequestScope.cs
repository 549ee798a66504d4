using System.Runtime.CompilerServices;
using WinLoop.WinFsp.Binding.Abi;

namespace WinLoop.WinFsp.Tests.Doubles;

/// <summary>While it lives, this thread's callbacks are for a request of the driver.</summary>
internal unsafe ref struct RequestScope
{
    private readonly State* _state;

    /// <param name="memory"><see cref="Size"/> bytes of the stack.</param>
    /// <param name="hint">The request's hint.</param>
    public RequestScope(Span<byte> memory, ulong hint)
    {
        _state = (State*)Unsafe.AsPointer(ref memory[0]);
        *_state = default;
        _state->Request = new TransactRequest { Size = 88, Hint = hint };
        _state->Response = new TransactResponse { Size = TransactResponse.SizeOf, Hint = hint };
        _state->Context = new OperationContext { Request = &_state->Request, Response = &_state->Response };
        LibraryDouble.SetContext(&_state->Context);
    }

    public static int Size => sizeof(State);

    /// <summary>What the host has set in the response of an open.</summary>
    public readonly uint OpenedFlags => _state->Response.OpenedFlags;

    public readonly void Dispose() => LibraryDouble.SetContext(null);

    private struct State
    {
        public OperationContext Context;
        public TransactRequest Request;
        public TransactResponse Response;
    }
}
