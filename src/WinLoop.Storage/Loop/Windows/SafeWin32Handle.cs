using System.Runtime.InteropServices;

namespace WinLoop.Storage.Windows;

/// <summary>Owns a Win32 handle.</summary>
internal sealed class SafeWin32Handle : SafeHandle
{
    internal SafeWin32Handle(nint value) : base(-1, ownsHandle: true) => SetHandle(value);

    /// <inheritdoc/>
    public override bool IsInvalid => handle is -1 or 0;

    /// <summary>The number. Good for as long as nobody disposes this object.</summary>
    internal nint Value => handle;

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => Kernel32.CloseHandle(handle) != 0;
}
