namespace WinLoop.WinFsp.Binding.Abi;

/// <summary>FspFsctlTransact*Kind, those that may be answered later.</summary>
internal enum TransactKind : uint
{
    Read = 5,
    Write = 6,
    QueryDirectory = 14,
}
