using WinLoop.Mounting;
using WinLoop.Mounting.Registry;
using WinLoop.Service;
using WinLoop.Service.Client;

namespace WinLoop.Cli.Serving;

/// <summary>The mounts of the service beside those with a process of their own.</summary>
internal static class ServiceMounts
{
    /// <summary>All mounts this user may know of, whoever serves them.</summary>
    internal static IReadOnlyList<KnownMount> ListAll() => [.. MountRegistry.ListAll(), .. List().Where(IsMounted).Select(ToKnown)];

    /// <summary>What the service tells; nothing if there is none, or one that is not to be trusted.</summary>
    internal static IReadOnlyList<ServiceMount> List()
    {
        try
        {
            using ServiceClient? client = ServiceClient.TryConnect();
            return client?.List() ?? [];
        }
        catch (MountException)
        {
            // What is wrong with the service must not hide the other mounts; 'service status' tells of it.
            return [];
        }
    }

    /// <summary>False for one that is remembered and not mounted now.</summary>
    internal static bool IsMounted(ServiceMount mount) => mount.State is not (ServiceMount.Waiting or ServiceMount.Missing);

    /// <summary>In the words of the registry.</summary>
    internal static KnownMount ToKnown(ServiceMount mount) => new(new MountRecord
    {
        Id = mount.Id,
        ServiceId = mount.Id,
        Image = mount.Image,
        Directory = mount.Directory,
        Partition = mount.Partition,
        Offset = mount.Offset,
        Size = mount.Size,
        Label = mount.Label,
        Uuid = mount.Uuid,
        ReadOnly = mount.ReadOnly,
        ReadOnlyReason = mount.ReadOnlyReason,
        FileSystem = mount.FileSystem,
        Device = mount.Device,
        Owner = uint.TryParse(mount.Owner, out uint uid) ? uid : 0,
        OwnerSid = mount.Owner.StartsWith("S-", StringComparison.Ordinal) ? mount.Owner : null,
        Pid = mount.Pid,
        Since = mount.Since,
    }, mount.State == "closing" ? MountState.Closing : MountState.Mounted, MountRegistry.OfService);
}
