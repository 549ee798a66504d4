using WinLoop.Mounting;
using WinLoop.Service.Mounts;

namespace WinLoop.Service.Kept;

/// <summary>Opens what was remembered when its user is not there to open it. Each system has its own.</summary>
internal abstract class KeptImages
{
    /// <summary>The user a mount was remembered for.</summary>
    internal abstract ServiceUser UserOf(KeptMount mount);

    /// <summary>His group, as it is remembered.</summary>
    internal abstract string GroupOf(ServiceUser user);

    /// <summary>Opens the image as it was opened then, following no links.</summary>
    /// <exception cref="WaitException">Only its user can.</exception>
    /// <exception cref="MountException">It is not there any more.</exception>
    internal abstract ImageHandle Open(KeptMount mount, string what);

    /// <summary>Finds the mount point again.</summary>
    /// <exception cref="MountException">It cannot be used.</exception>
    internal abstract MountTarget FindTarget(KeptMount mount, string image);
}

/// <summary>The mount has to wait until its user asks for it.</summary>
internal sealed class WaitException(string why) : Exception(why);
