using WinLoop.Storage;

namespace WinLoop.Mounting.Overlays;

/// <summary>What is done with overlay files that are not mounted, in the words of the user.</summary>
public static class OverlayFiles
{
    /// <summary>Writes what is in an overlay into its image.</summary>
    /// <param name="file">The overlay file.</param>
    /// <param name="image">The image.</param>
    /// <param name="progress">Told bytes written, and all.</param>
    /// <returns>Bytes written; null if it was committed before.</returns>
    /// <exception cref="MountException">Why not.</exception>
    public static long? Commit(string file, string image, Action<long, long>? progress) =>
        Do($"cannot commit {file} into {image}", file, () => OverlayFile.Commit(RequireFile(file, $"cannot commit {file}"), ImageOpener.Check(image, $"cannot commit into {image}"), progress));

    /// <summary>Deletes an overlay file with all that was written to it.</summary>
    /// <exception cref="MountException">Why not.</exception>
    public static void Discard(string file, bool isForced) => Do($"cannot discard {file}", file, () =>
    {
        OverlayFile.Discard(RequireFile(file, $"cannot discard {file}"), isForced);
        return 0;
    });

    /// <summary>What an overlay file says of itself.</summary>
    /// <exception cref="MountException">Why not.</exception>
    public static OverlayDescription Describe(string file) =>
        Do($"cannot read {file}", file, () => OverlayFile.Describe(RequireFile(file, $"cannot read {file}")));

    private static T Do<T>(string what, string file, Func<T> action)
    {
        try
        {
            return action();
        }
        catch (OverlayException e)
        {
            throw OverlayOpener.Explain(e, file, what);
        }
        catch (Exception e) when (e is not MountException)
        {
            throw Failures.Explain(e, what);
        }
    }

    private static string RequireFile(string path, string what) => System.IO.Directory.Exists(path)
        ? throw new MountException(MountError.Usage, what, "it is a directory, not an overlay file", "Name the overlay file.")
        : path;
}
