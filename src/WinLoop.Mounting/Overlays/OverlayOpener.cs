using WinLoop.Storage;

namespace WinLoop.Mounting.Overlays;

/// <summary>Opens an image for reading only, with an overlay over it that takes the writes.</summary>
internal static class OverlayOpener
{
    /// <summary>Opens both.</summary>
    /// <param name="image">All of the image, open for reading only.</param>
    /// <param name="disk">The disk in it, the same if its bytes are the disk's; the device that is returned owns it.</param>
    /// <param name="overlay">Where the writes go.</param>
    /// <param name="options">Of the mount: the window, and whether anything is to be written at all.</param>
    /// <param name="what">What fails if it fails.</param>
    /// <param name="isNew">True if an overlay file was made.</param>
    /// <exception cref="MountException">Why not.</exception>
    internal static IBlockDevice Open(LoopDevice image, IBlockDevice disk, OverlayRequest overlay, MountOptions options, string what, out bool isNew)
    {
        IBlockDevice device;
        isNew = false;
        long offset = options.Offset ?? 0;
        if (offset > disk.Length)
        {
            throw new MountException(MountError.Usage, what, $"offset {offset} is past the end of the image ({disk.Length} bytes)", "Give a smaller offset.");
        }
        if (overlay.File is not { } file)
        {
            device = options.IsReadOnly
                ? throw new MountException(MountError.Usage, what, "a read-only mount has no writes for an overlay in memory", "Leave out one of -r and --overlay.")
                : new OverlayDevice(disk, ownsBase: true, overlay.Limit);
        }
        else
        {
            device = OpenFile(file, image, options.IsReadOnly, what, out isNew);
        }
        if (offset == 0 && options.SizeLimit == null)
        {
            return device;
        }
        return new SliceDevice(device, offset, Math.Min(options.SizeLimit ?? long.MaxValue, device.Length - offset), ownsParent: true);
    }

    /// <summary>The mount did not come about: an overlay file that was made for it goes.</summary>
    internal static void Undo(OverlayRequest overlay, ref bool isNew, IBlockDevice device)
    {
        device.Dispose();
        if (isNew)
        {
            System.IO.File.Delete(overlay.File!);
            isNew = false;
        }
    }

    /// <summary>What is wrong with an overlay file, in the words of the user.</summary>
    internal static MountException Explain(OverlayException e, string file, string what)
    {
        (MountError error, string hint) = e.Error switch
        {
            OverlayError.NotAnOverlay => (MountError.Unsupported, "Name an overlay file, or one that does not exist yet."),
            OverlayError.Unsupported => (MountError.Unsupported, "Use the version of WinLoop that made it."),
            OverlayError.Damaged => (MountError.Damaged, $"It cannot be used any more; 'winloop overlay discard --force {file}' deletes it."),
            OverlayError.BaseChanged => (MountError.Failed, "An overlay belongs to one image as it was. Bring that back, or name another overlay."),
            _ => (MountError.Failed, $"'winloop overlay info {file}' shows what became of it."),
        };
        return new MountException(error, what, $"the overlay {file} cannot be used: {e.Message}", hint, e);
    }

    private static OverlayFileDevice OpenFile(string file, LoopDevice image, bool isReadOnly, string what, out bool isNew)
    {
        if (System.IO.Directory.Exists(file) || string.Equals(file, image.Path, StringComparison.Ordinal))
        {
            throw new MountException(MountError.Usage, what, $"the overlay {file} is {(file == image.Path ? "the image itself" : "a directory")}", "Name a file of its own.");
        }
        try
        {
            return OverlayFile.Open(file, image, isReadOnly, out isNew);
        }
        catch (OverlayException e)
        {
            throw Explain(e, file, what);
        }
    }
}
