namespace WinLoop.Service.Windows;
internal static class ServiceInstaller
{
    internal static void Install() { }
    internal static void Uninstall() { }
    internal static void Start() { }
    internal static void Stop() { }
    internal static bool IsRunning => false;
    internal static string Describe() => "stopped";
}
internal static class WindowsServiceHost
{
    internal static bool TryRun(ServicePaths paths, Server.ServiceLimits limits) => false;
}
