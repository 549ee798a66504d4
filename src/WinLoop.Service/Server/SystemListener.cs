using System.Security.AccessControl;
using System.Security.Principal;
using WinLoop.Service.Kept;
using WinLoop.Service.Linux;
using WinLoop.Service.Windows;

namespace WinLoop.Service.Server;

/// <summary>What a service needs that each system has in its own way.</summary>
internal static class SystemListener
{
    /// <summary>Starts listening.</summary>
    internal static ServiceListener Open(string endpoint) =>
        OperatingSystem.IsWindows() ? PipeListener.Open(endpoint) : SocketListener.Open(endpoint);

    /// <summary>Opens remembered images.</summary>
    internal static KeptImages CreateKeptImages() => OperatingSystem.IsWindows() ? new WindowsKeptImages() : new LinuxKeptImages();

    /// <summary>A folder on Windows that nobody but the service and administrators can change.</summary>
    [System.Runtime.Versioning.SupportedOSPlatform("windows")]
    internal static void MakePrivateFolder(string folder)
    {
        var security = new DirectorySecurity();
        security.SetAccessRuleProtection(isProtected: true, preserveInheritance: false);
        using var self = WindowsIdentity.GetCurrent();
        foreach (IdentityReference who in new[] { new SecurityIdentifier(WellKnownSidType.LocalSystemSid, null),
            new SecurityIdentifier(WellKnownSidType.BuiltinAdministratorsSid, null), self.User! })
        {
            security.AddAccessRule(new FileSystemAccessRule(who, FileSystemRights.FullControl,
                InheritanceFlags.ContainerInherit | InheritanceFlags.ObjectInherit, PropagationFlags.None, AccessControlType.Allow));
        }
        // The parent first: users may create folders in ProgramData, and whoever made it would own it.
        DirectoryInfo place = new(folder);
        place.Parent?.Create();
        if (!place.Exists)
        {
            place.Create(security);
            return;
        }
        place.SetAccessControl(security);
    }
}
