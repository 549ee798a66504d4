using System.Text;
using WinLoop.Ext4;
using WinLoop.Mounting.Registry;

namespace WinLoop.Mounting.Files;

/// <summary>The volume in an image, open for a command that works on its files without a mount. Read-only it changes no byte, and a
/// journal that has to be replayed is replayed in memory; writable it is locked as a mount locks it.</summary>
public sealed class ImageSession : IDisposable
{
    private readonly MountedImage _image;
    private readonly string _name;

    private ImageSession(MountedImage image, string name)
    {
        _image = image;
        _name = name;
    }

    /// <summary>The mounted volume.</summary>
    public Ext4Volume Volume => _image.Volume;

    /// <summary>Opens the image and mounts the volume in this process.</summary>
    /// <param name="image">The image file or block device.</param>
    /// <param name="partition">The user's choice; null = the only one with ext.</param>
    /// <param name="options">Offset, size limit and whether it is read-only.</param>
    /// <param name="what">What fails if it fails, for example <c>cannot list x.ext4:/</c>.</param>
    /// <param name="notes">Gets sentences for the user.</param>
    /// <exception cref="MountException">Why not; who uses it, if a mount does.</exception>
    public static ImageSession Open(string image, int? partition, MountOptions options, string what, ICollection<string> notes)
    {
        MountedImage? opened = null;
        try
        {
            opened = MountedImage.Open(new MountRequest { Image = image, Partition = partition, Options = options }, what, notes);
            if (!options.IsReadOnly && opened.Image.Volume.IsReadOnly)
            {
                throw new MountException(MountError.Denied, what, opened.Image.ReadOnlyReason ?? "the image is read-only", "Make the image writable.");
            }
            opened.MountVolume(options, null, notes);
            if (!options.IsReadOnly && opened.Volume.IsReadOnly)
            {
                throw new MountException(MountError.Unsupported, what, opened.ReadOnlyReason ?? "the volume can only be read");
            }
            return new ImageSession(opened, image);
        }
        catch (Exception e)
        {
            opened?.Dispose();
            throw BusyImage.NameHolder(Failures.Explain(e, what), image, what);
        }
    }

    /// <summary>What a path names; null if there is nothing.</summary>
    /// <param name="path">With '/'.</param>
    /// <param name="followLink">If the last component is a link, what it leads to.</param>
    public FileNode? Find(string path, bool followLink) => VolumeNode.Walk(Volume, _name, path, followLink);

    /// <summary>Everything that was written is on the medium, and the volume is clean.</summary>
    public void Dispose() => _image.Dispose();
}
