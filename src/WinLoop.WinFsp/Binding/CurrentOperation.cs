using WinLoop.WinFsp.Binding.Abi;

namespace WinLoop.WinFsp.Binding;

/// <summary>The request of the driver that this thread is serving.</summary>
internal static unsafe class CurrentOperation
{
    /// <summary>What an answer that is given later has to refer to.</summary>
    /// <exception cref="InvalidOperationException">This thread serves none.</exception>
    public static ulong Hint(WinFspExports exports)
    {
        OperationContext* context = exports.GetOperationContext();
        return context == null || context->Request == null
            ? throw new InvalidOperationException("a callback outside of a request cannot be answered later")
            : context->Request->Hint;
    }

    /// <summary>In Create and Open: the process that opens; 0 if that is not known.</summary>
    public static uint ProcessId(WinFspExports exports) => exports.OperationProcessId == null ? 0 : exports.OperationProcessId();

    /// <summary>In Create and Open: lets the open go past the cache manager.</summary>
    public static void DisableCache(WinFspExports exports)
    {
        OperationContext* context = exports.GetOperationContext();
        if (context != null && context->Response != null)
        {
            context->Response->OpenedFlags |= TransactResponse.DisableCache;
        }
    }
}
