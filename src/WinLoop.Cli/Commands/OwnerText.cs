using System.Globalization;
using WinLoop.Mounting;

namespace WinLoop.Cli.Commands;

/// <summary>An owner as <c>UID[:GID]</c>.</summary>
internal static class OwnerText
{
    /// <summary>Reads it; the group is the user's number if it is left out.</summary>
    /// <exception cref="MountException">It is none.</exception>
    internal static (uint Uid, uint Gid) Parse(string command, string text)
    {
        string[] parts = text.Split(':');
        if (parts.Length <= 2 && uint.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out uint uid))
        {
            uint gid = uid;
            if (parts.Length == 1 || uint.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out gid))
            {
                return (uid, gid);
            }
        }
        throw new MountException(MountError.Usage, command, $"'{text}' is not UID[:GID]", $"See 'winloop {command} --help'.");
    }
}
