using WinLoop.Mounting;

namespace WinLoop.Cli.Output;

/// <summary>The names of the exit codes in JSON.</summary>
internal static class ErrorCodes
{
    internal static string NameOf(MountError error) => error switch
    {
        MountError.Usage => "usage",
        MountError.NotFound => "not-found",
        MountError.Damaged => "damaged",
        MountError.Unsupported => "unsupported",
        MountError.Busy => "busy",
        MountError.Denied => "denied",
        MountError.HostMissing => "host-missing",
        MountError.Interrupted => "interrupted",
        _ => "failed",
    };
}
