using WinLoop.Ext4;

namespace WinLoop.Mounting;

/// <summary>One mount below the host: the image file, the volume's device, the volume.</summary>
public sealed class MountedImage : IDisposable
{
    private Ext4Volume? _volume;
    private bool _released;

    private MountedImage(OpenedImage image) => Image = image;

    /// <summary>The open image.</summary>
    public OpenedImage Image { get; }

    /// <summary>The mounted volume.</summary>
    public Ext4Volume Volume => _volume ?? throw new InvalidOperationException("The volume is not mounted.");

    /// <summary>Volume label.</summary>
    public string Label => Volume.Superblock.Label;

    /// <summary>Volume UUID.</summary>
    public string Uuid => new Guid(Volume.Superblock.Uuid, bigEndian: true).ToString();

    /// <summary>Why the mount is read-only although that was not asked for.</summary>
    public string? ReadOnlyReason => Volume.Options.IsReadOnly ? Image.ReadOnlyReason : Volume.ReadOnlyReason;

    /// <summary>Opens the image; nothing is written yet.</summary>
    /// <param name="request">What the user asked for.</param>
    /// <param name="what">What fails if it fails.</param>
    /// <param name="notes">Gets sentences for the user.</param>
    /// <exception cref="MountException">Why it cannot be mounted.</exception>
    public static MountedImage Open(MountRequest request, string what, ICollection<string> notes) =>
        new(ImageOpener.Open(request.Image, request.Partition, request.Options, what, notes));

    /// <summary>Takes an image that was opened with its user's rights; nothing is written yet.</summary>
    /// <param name="file">The image; closed if this fails.</param>
    /// <param name="request">What the user asked for.</param>
    /// <param name="what">What fails if it fails.</param>
    /// <param name="notes">Gets sentences for the user.</param>
    /// <exception cref="MountException">Why it cannot be mounted.</exception>
    public static MountedImage Open(ImageHandle file, MountRequest request, string what, ICollection<string> notes)
    {
        try
        {
            return new MountedImage(ImageOpener.Open(file, request.Partition, request.Options, what, notes));
        }
        catch (Exception e) when (e is not MountException)
        {
            throw Failures.Explain(e, what);
        }
        finally
        {
            // The device has a descriptor of its own, or has taken the handle.
            file.Dispose();
        }
    }

    /// <summary>Mounts the volume: recovers the journal where that is needed.</summary>
    /// <param name="options">How.</param>
    /// <param name="directory">Absolute path of the mount point; null for a command that needs none.</param>
    /// <param name="notes">Gets sentences for the user.</param>
    public void MountVolume(MountOptions options, string? directory, ICollection<string> notes)
    {
        bool readOnly = options.IsReadOnly || Image.Volume.IsReadOnly;
        _released = true; // the engine disposes the device when it fails
        _volume = Ext4Volume.Mount(Image.Volume, options.ToEngineOptions(readOnly, directory));
        _released = false;
        if (_volume.RecoveryReport is { } report)
        {
            notes.Add(report);
        }
    }

    /// <summary>The host owns the volume, and the volume its device, from now on.</summary>
    public void ReleaseToHost() => _released = true;

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_released)
        {
            return;
        }
        _released = true;
        if (_volume != null)
        {
            _volume.Dispose();
        }
        else
        {
            Image.Volume.Dispose();
        }
    }
}
