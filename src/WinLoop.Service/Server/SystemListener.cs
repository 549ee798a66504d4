using WinLoop.Service.Kept;
using WinLoop.Service.Linux;

namespace WinLoop.Service.Server;

/// <summary>What a service needs that each system has in its own way.</summary>
internal static class SystemListener
{
    /// <summary>Starts listening.</summary>
    internal static ServiceListener Open(string endpoint) =>
        OperatingSystem.IsWindows() ? throw new PlatformNotSupportedException() : SocketListener.Open(endpoint);

    /// <summary>Opens remembered images.</summary>
    internal static KeptImages CreateKeptImages() => new LinuxKeptImages();

    internal static void MakePrivateFolder(string folder) => Directory.CreateDirectory(folder);
}
