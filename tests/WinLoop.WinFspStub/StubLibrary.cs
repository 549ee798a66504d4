using WinLoop.WinFsp.Binding;

namespace Fsp;

/// <summary>Which functions stand behind the stub; the package itself finds a DLL by its name.</summary>
internal static class StubLibrary
{
    internal static WinFspExports Exports { get; set; }
}
