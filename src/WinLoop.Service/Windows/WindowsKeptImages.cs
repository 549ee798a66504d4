using System.Runtime.Versioning;
using System.Security.Principal;
using WinLoop.Mounting;
using WinLoop.Service.Kept;
using WinLoop.Service.Mounts;

namespace WinLoop.Service.Windows;

/// <summary>Remembered images on Windows. What SYSTEM may open an administrator may; of others it opens nothing in their
/// absence, and their mounts wait for <c>winloop service resume</c>.</summary>
[SupportedOSPlatform("windows")]
internal sealed class WindowsKeptImages : KeptImages
{
    /// <inheritdoc/>
    internal override ServiceUser UserOf(KeptMount mount) => new()
    {
        Id = mount.Owner,
        IsAdministrator = mount.IsAdministrator,
        Sid = ToBinary(mount.Owner),
        GroupSid = ToBinary(mount.Group.Length == 0 ? mount.Owner : mount.Group),
    };

    /// <inheritdoc/>
    internal override string GroupOf(ServiceUser user) => user.GroupSid is { } sid ? Tokens.ToText(sid) : "";

    /// <inheritdoc/>
    internal override ImageHandle Open(KeptMount mount, string what) => mount.IsAdministrator
        ? ImageFiles.OpenStraight(mount.Order.Image, mount.IsWritable, what)
        : throw new WaitException("it waits for its user");

    /// <inheritdoc/>
    internal override MountTarget FindTarget(KeptMount mount, string image) => PipeTargets.Find(mount.Order.Directory);

    private static byte[] ToBinary(string text)
    {
        var sid = new SecurityIdentifier(text);
        byte[] bytes = new byte[sid.BinaryLength];
        sid.GetBinaryForm(bytes, 0);
        return bytes;
    }
}
