using System.Runtime.InteropServices;

namespace WinLoop.WinFsp.Binding.Abi;

/// <summary>FSP_FILE_SYSTEM_OPERATION_CONTEXT: the request that this thread is serving.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct OperationContext
{
    public TransactRequest* Request;
    public TransactResponse* Response;
}
