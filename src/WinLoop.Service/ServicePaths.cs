using WinLoop.Mounting.Linux;

namespace WinLoop.Service;

/// <summary>Where a service is reached and where it keeps things.</summary>
/// <param name="Endpoint">The socket's path, or the pipe's name.</param>
/// <param name="State">A folder of the service alone, for what outlives it.</param>
internal sealed record ServicePaths(string Endpoint, string State)
{
    /// <summary>Names another endpoint to clients, as <c>service run --socket</c> does to the service.</summary>
    internal const string EndpointVariable = "WINLOOP_SOCKET";

    /// <summary>The name of the Windows service, and of its pipe.</summary>
    internal const string ServiceName = "WinLoop";

    private const string SocketName = "service.sock";

    /// <summary>Where this process would serve.</summary>
    internal static ServicePaths Own => OperatingSystem.IsWindows()
        ? new(ServiceName, Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.CommonApplicationData), "WinLoop", "service"))
        : CurrentUser.IsRoot
            ? new("/run/winloop/" + SocketName, "/var/lib/winloop")
            : new(Path.Combine(RuntimeFolder, SocketName),
                Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify), "winloop"));

    /// <summary>Where a client looks, in this order.</summary>
    internal static IReadOnlyList<string> Endpoints
    {
        get
        {
            if (Environment.GetEnvironmentVariable(EndpointVariable) is { Length: > 0 } named)
            {
                return [named];
            }
            return OperatingSystem.IsWindows() ? [ServiceName]
                : CurrentUser.IsRoot ? [Own.Endpoint] : ["/run/winloop/" + SocketName, Own.Endpoint];
        }
    }

    private static string RuntimeFolder =>
        Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR") is { Length: > 0 } runtime ? Path.Combine(runtime, "winloop") : $"/tmp/winloop-{CurrentUser.Uid}";
}
