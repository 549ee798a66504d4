using WinLoop.Storage;

namespace WinLoop.Images;

/// <summary>A container format: a file that holds a disk, such as VHDX or qcow2. Stateless.</summary>
public interface IImageFormat
{
    /// <summary>What users call it, for example <c>VHDX</c>.</summary>
    string Name { get; }

    /// <summary>Whether the content of the file says that it is one; its name does not count.</summary>
    /// <exception cref="BlockDeviceException">The file cannot be read.</exception>
    bool Matches(IGrowableDevice file);

    /// <summary>Opens the disk in the file.</summary>
    /// <param name="file">The file; the disk owns it from then on. After an exception it is still the caller's.</param>
    /// <param name="options">How.</param>
    /// <exception cref="ImageFormatException">The content is damaged, or needs something that WinLoop does not have.</exception>
    /// <exception cref="BlockDeviceException">The file cannot be read or written.</exception>
    IBlockDevice Open(IGrowableDevice file, ImageFormatOptions options);
}

/// <summary>How a container is opened.</summary>
public sealed record ImageFormatOptions
{
    /// <summary>Longest chain of parents or backing files.</summary>
    public const int MaxDepth = 16;

    /// <summary>Nothing is written to the file, not even a replayed log: that goes into memory.</summary>
    public bool IsReadOnly { get; init; }

    /// <summary>Opens another file that this one names (a parent, a backing file, an extent) for reading, or for
    /// writing if the second argument is true; the path is as the file says it, relative ones relative to it.
    /// Null: such files are refused.</summary>
    public Func<string, bool, IGrowableDevice>? OpenRelated { get; init; }

    /// <summary>Told, in one line each, what a user must know of a disk that opens all the same: that it is read-only
    /// although writing was asked for, and why. Null: nobody listens.</summary>
    public Action<string>? Note { get; init; }

    /// <summary>How many files stand above this one in the chain; more than <see cref="MaxDepth"/> is refused.</summary>
    public int Depth { get; init; }
}
