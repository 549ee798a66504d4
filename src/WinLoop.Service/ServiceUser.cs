namespace WinLoop.Service;

/// <summary>Who asks, as the system knows it; never as he says.</summary>
internal sealed record ServiceUser
{
    /// <summary>A SID (<c>S-1-5-21-...</c>), or a user id in decimal.</summary>
    internal required string Id { get; init; }

    /// <summary>Root, SYSTEM or an elevated administrator: may undo everybody's mounts.</summary>
    internal bool IsAdministrator { get; init; }

    /// <summary>User id on Linux.</summary>
    internal uint Uid { get; init; }

    /// <summary>Group id on Linux.</summary>
    internal uint Gid { get; init; }

    /// <summary>Binary SID of the user on Windows.</summary>
    internal byte[]? Sid { get; init; }

    /// <summary>Binary SID of his primary group on Windows.</summary>
    internal byte[]? GroupSid { get; init; }

    /// <summary>A user of Linux.</summary>
    /// <param name="uid">User id.</param>
    /// <param name="gid">Group id.</param>
    /// <param name="service">The user the service runs as, who may do what root may.</param>
    internal static ServiceUser OfLinux(uint uid, uint gid, uint service) => new()
    {
        Id = uid.ToString(System.Globalization.CultureInfo.InvariantCulture),
        IsAdministrator = uid == 0 || uid == service,
        Uid = uid,
        Gid = gid,
    };
}
