namespace WinLoop.Cli.Tests;

/// <summary>Tests that take a copy of all mounts (unshare -m), and tests that read an image right after the kernel has unmounted it:
/// while such a copy lives the kernel goes on with the volume. One after the other.</summary>
internal static class MountNamespaces
{
    internal const string Name = "mount namespaces";
}
