using WinLoop.Service.Protocol;

namespace WinLoop.Service.Windows;

internal static class PipeClient
{
    internal static Channel? TryConnect(string name) => null;
}
