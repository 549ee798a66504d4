using WinLoop.Cli.Serving;
using WinLoop.Mounting;
using WinLoop.Mounting.Linux;
using WinLoop.Mounting.Registry;

namespace WinLoop.Cli.Commands;

/// <summary>Finds the mount a user means by its directory or its image.</summary>
internal static class MountFinder
{
    /// <summary>The mount that a directory or an image means; null for an image that WinLoop has not mounted.</summary>
    /// <exception cref="MountException">A directory on which nothing is mounted, or an image that is mounted more than once.</exception>
    internal static KnownMount? TryFind(string target, string what)
    {
        string path = HostPath.Resolve(target);
        bool isMounted = MountRegistry.ListAll().Any(m => m.Record.Directory == path || m.Record.Image == path);
        return isMounted || Directory.Exists(path) ? Find(target, what) : null;
    }

    /// <summary>Finds exactly one mount.</summary>
    /// <param name="target">A mount point, an image, or anything below a mount point.</param>
    /// <param name="what">What fails if there is none.</param>
    /// <exception cref="MountException">None, or an image that is mounted more than once.</exception>
    internal static KnownMount Find(string target, string what)
    {
        string path = HostPath.Resolve(target);
        IReadOnlyList<KnownMount> all = ServiceMounts.ListAll();
        // The latest mount on a directory is the one that is seen there.
        if (all.Where(m => m.Record.Directory == path).MaxBy(m => m.Record.Since) is { } onDirectory)
        {
            return onDirectory;
        }
        List<KnownMount> ofImage = [.. all.Where(m => m.Record.Image == path)];
        if (ofImage.Count > 1)
        {
            throw new MountException(MountError.Usage, what, $"{target} is mounted on {string.Join(" and ", ofImage.Select(m => m.Record.Directory))}",
                "Give one of these directories.");
        }
        return ofImage.Count == 1
            ? ofImage[0]
            : throw new MountException(MountError.NotFound, what, "not mounted by WinLoop", "'winloop list' shows what is.");
    }
}
