using WinLoop.Storage.Linux;
using WinLoop.Storage.Overlay;
using WinLoop.Storage.Windows;

namespace WinLoop.Storage;

/// <summary>What an overlay file says of itself.</summary>
/// <param name="BasePath">Where its base was when it was made.</param>
/// <param name="BaseLength">Bytes of the base.</param>
/// <param name="Created">When it was made.</param>
/// <param name="ChangedBytes">Bytes of the base that it replaces by content of its own.</param>
/// <param name="IsCommitBegun">A commit was begun and not finished: the image is a mixture until the commit is run again.</param>
/// <param name="IsCommitted">All of it is in the image.</param>
public sealed record OverlayDescription(
    string BasePath, long BaseLength, DateTime Created, long ChangedBytes, bool IsCommitBegun, bool IsCommitted);

/// <summary>Overlay files by their paths: made, opened over a base, committed into it, discarded.</summary>
public static class OverlayFile
{
    /// <summary>Opens an overlay file over its base, and makes it if there is none.</summary>
    /// <param name="path">The overlay file.</param>
    /// <param name="image">The base, open for reading only, all of it; the device that is returned owns it.</param>
    /// <param name="isReadOnly">Only look at what is in the overlay; the file must exist and does not change.</param>
    /// <param name="isNew">True if it was made.</param>
    /// <exception cref="OverlayException">It is not one of this base as it is now, or damaged. The base stays open.</exception>
    /// <exception cref="BlockDeviceException">It cannot be opened or made. The base stays open.</exception>
    public static OverlayFileDevice Open(string path, LoopDevice image, bool isReadOnly, out bool isNew)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(image);
        isNew = !isReadOnly && !File.Exists(path);
        if (isNew)
        {
            Make(path, new OverlayHeader(Guid.NewGuid(), BaseFingerprint.Of(image, image.GetModifiedTicks()), DateTime.UtcNow.Ticks, image.Path));
        }

        LoopDevice file = LoopDevice.Open(path, new LoopDeviceOptions { IsReadOnly = isReadOnly, IsExact = true });
        try
        {
            return Attach(image, image.GetModifiedTicks(), file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Writes what is in an overlay into its base. After a cut it is done by calling this again; when it is done,
    /// calling this again does nothing.</summary>
    /// <param name="path">The overlay file; it must not be mounted.</param>
    /// <param name="image">The base; it must not be mounted.</param>
    /// <param name="progress">Told bytes written, and all.</param>
    /// <returns>Bytes written; null if it was committed before.</returns>
    /// <exception cref="OverlayException">It is no overlay, damaged, or the image is not its base.</exception>
    /// <exception cref="BlockDeviceException">One of them cannot be opened, read or written.</exception>
    public static long? Commit(string path, string image, Action<long, long>? progress = null)
    {
        using LoopDevice file = LoopDevice.Open(path, new LoopDeviceOptions { IsExact = true });
        // A wrong file is told before the image is touched.
        OverlayHeader.Read(file);
        using LoopDevice target = LoopDevice.Open(image);
        return OverlayCommit.Run(file, target, target.GetModifiedTicks(), DateTime.UtcNow.Ticks, progress);
    }

    /// <summary>Deletes an overlay file with all that was written to it.</summary>
    /// <param name="path">The overlay file; it must not be mounted.</param>
    /// <param name="isForced">Also if a commit of it was begun and not finished, which loses the image, or if it is damaged.</param>
    /// <exception cref="OverlayException">It is no overlay file, or needed for an unfinished commit.</exception>
    /// <exception cref="BlockDeviceException">It is in use or cannot be opened.</exception>
    public static void Discard(string path, bool isForced)
    {
        using LoopDevice file = LoopDevice.Open(path, new LoopDeviceOptions { IsExact = true });
        if (!isForced || !OverlayHeader.HasMagic(file))
        {
            OverlayHeader.Read(file);
            if (OverlayState.Read(file).Phase == OverlayPhase.Committing)
            {
                throw new OverlayException(OverlayError.Committed, "a commit of it was begun and not finished; without it the image is lost");
            }
        }

        if (OperatingSystem.IsWindows())
        {
            file.Dispose(); // an open file cannot be deleted there
        }

        File.Delete(path);
    }

    /// <summary>What an overlay file says of itself; it may be mounted.</summary>
    /// <exception cref="OverlayException">It is no overlay file, or damaged.</exception>
    public static OverlayDescription Describe(string path)
    {
        using LoopDevice file = LoopDevice.Open(path, new LoopDeviceOptions { IsReadOnly = true, IsShared = true, IsExact = true });
        OverlayHeader header = OverlayHeader.Read(file);
        OverlayPhase phase = OverlayState.Read(file).Phase;
        OverlayMap map = OverlayMap.Load(file, new OverlayLayout(header.Base.Length));
        return new OverlayDescription(header.BasePath, header.Base.Length, new DateTime(Math.Clamp(header.CreatedTicks, 0, DateTime.MaxValue.Ticks), DateTimeKind.Utc),
            map.BlocksInOverlay * OverlayLayout.BlockSize, phase == OverlayPhase.Committing, phase == OverlayPhase.Committed);
    }

    /// <summary>Puts an overlay over a base, if it is one of this base as it is now.</summary>
    internal static OverlayFileDevice Attach(IBlockDevice image, long modifiedTicks, IBlockDevice file)
    {
        OverlayHeader header = OverlayHeader.Read(file);
        OverlayPhase phase = OverlayState.Read(file).Phase;
        if (phase != OverlayPhase.Active)
        {
            throw new OverlayException(OverlayError.Committed, phase == OverlayPhase.Committed
                ? "it is committed: all that was in it is in the image"
                : "a commit of it was begun and not finished");
        }

        return header.Base.Difference(BaseFingerprint.Of(image, modifiedTicks)) is { } difference
            ? throw new OverlayException(OverlayError.BaseChanged, $"the image is not as it was when the overlay was made: {difference}")
            : new OverlayFileDevice(image, file, header, OverlayMap.Load(file, new OverlayLayout(header.Base.Length)));
    }

    /// <summary>Makes an overlay without changes in a file of zeroes that has the right size.</summary>
    internal static void Format(IBlockDevice file, OverlayHeader header)
    {
        file.Write(header.Encode(), 0, WriteTag.Metadata);
        file.Flush();
    }

    /// <summary>Under another name first: what is found under its own is whole.</summary>
    private static void Make(string path, OverlayHeader header)
    {
        if (header.Base.Length is 0 or > OverlayLayout.MaxBaseLength)
        {
            throw new BlockDeviceException(BlockDeviceError.OutOfRange, $"an overlay over {header.Base.Length} bytes is not possible; the most is {OverlayLayout.MaxBaseLength}");
        }

        string draft = $"{path}.{header.Id:N}.new";
        try
        {
            using (new FileStream(draft, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 0))
            {
            }

            if (OperatingSystem.IsWindows())
            {
                WindowsBackingFile.MakeSparse(draft);
            }

            using (LoopDevice file = LoopDevice.Open(draft, new LoopDeviceOptions { IsExact = true }))
            {
                file.SetLength(new OverlayLayout(header.Base.Length).FileLength);
                Format(file, header);
            }

            File.Move(draft, path);
            if (!OperatingSystem.IsWindows())
            {
                LinuxBackingFile.FlushDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
            }
        }
        catch (Exception e)
        {
            if (File.Exists(draft))
            {
                File.Delete(draft);
            }

            throw e is UnauthorizedAccessException
                ? new BlockDeviceException(BlockDeviceError.Denied, $"{path} cannot be made: permission denied", e)
                : e is DirectoryNotFoundException ? new BlockDeviceException(BlockDeviceError.NotFound, $"{path} cannot be made: there is no such folder", e)
                : e is IOException and not BlockDeviceException ? new BlockDeviceException(BlockDeviceError.Io, $"{path} cannot be made: {e.Message}", e)
                : e;
        }
    }
}
