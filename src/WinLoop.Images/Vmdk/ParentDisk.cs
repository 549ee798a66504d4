using System.Globalization;
using WinLoop.Storage;

namespace WinLoop.Images.Vmdk;

/// <summary>Finds and opens the parent of a delta link, for reading.</summary>
internal static class ParentDisk
{
    /// <summary>Opens the parent that a descriptor names, if it is the one that the child was made on.</summary>
    /// <returns>Null: the disk has none.</returns>
    public static VmdkDisk? Open(VmdkDescriptor descriptor, ImageFormatOptions options)
    {
        if (descriptor.ParentId == VmdkDescriptor.NoParent)
        {
            return null;
        }

        string hint = descriptor["parentFileNameHint"] is { Length: > 0 } name
            ? name : throw VmdkError.Parent("it is a delta link, and does not say which file its parent is");
        string shown = VmdkError.Shown(hint);
        if (hint.AsSpan().ContainsAnyInRange('\0', '\x1f'))
        {
            throw VmdkError.Damaged($"its parent has a file name that cannot be: '{shown}'");
        }

        if (options.Depth >= ImageFormatOptions.MaxDepth)
        {
            throw VmdkError.Parent($"more than {ImageFormatOptions.MaxDepth} parents above each other; a disk may be its own ancestor");
        }

        if (options.OpenRelated is not { } open)
        {
            throw VmdkError.Parent($"it is a delta link, and its parent {shown} cannot be opened here");
        }

        IGrowableDevice? file = null;
        try
        {
            file = open(hint, false);
            var parent = (VmdkDisk)new VmdkFormat().Open(file, ForParent(options, hint, open));
            file = null; // the parent's
            if (parent.ContentId == descriptor.ParentId)
            {
                return parent;
            }

            parent.Dispose();
            throw VmdkError.Parent(string.Create(CultureInfo.InvariantCulture,
                $"its parent {shown} has been written to since, or is another one (it has the CID {parent.ContentId:x8}, not {descriptor.ParentId:x8})"));
        }
        catch (Exception e) when (e is BlockDeviceException || (e is ImageFormatException { Error: not ImageFormatError.Parent }))
        {
            throw VmdkError.Parent($"its parent {shown} cannot be used: {e.Message}", e);
        }
        finally
        {
            file?.Dispose();
        }
    }

    private static ImageFormatOptions ForParent(ImageFormatOptions options, string hint, Func<string, bool, IGrowableDevice> open)
    {
        string? folder = Path.GetDirectoryName(OperatingSystem.IsWindows() ? hint : hint.Replace('\\', '/'));
        return options with
        {
            IsReadOnly = true,
            Depth = options.Depth + 1,
            Note = null,
            // What the parent names is relative to the parent, and this function's paths are relative to the child.
            OpenRelated = (name, isWritable) => open(Path.IsPathRooted(name) || string.IsNullOrEmpty(folder) ? name : Path.Combine(folder, name), isWritable),
        };
    }
}
