using System.Text;
using WinLoop.Storage;

namespace WinLoop.Images.Vhdx;

/// <summary>Finds and opens the parent of a differencing disk, for reading.</summary>
internal static class ParentFile
{
    /// <summary>Refuses a chain that is too long, which a chain without an end is too.</summary>
    public static void CheckDepth(ImageFormatOptions options)
    {
        if (options.Depth > ImageFormatOptions.MaxDepth)
        {
            throw VhdxError.Parent($"more than {ImageFormatOptions.MaxDepth} parents above each other; a disk may be its own ancestor");
        }
    }

    /// <summary>Opens the parent that the locator names, if it is the one that the child was made on.</summary>
    public static IBlockDevice Open(ParentLocator locator, VhdxMetadata child, ImageFormatOptions options)
    {
        if (options.OpenRelated is null)
        {
            throw VhdxError.Parent("it is a differencing disk, and its parent cannot be opened here");
        }

        Guid[] expected = [.. new[] { locator[ParentLocator.Linkage], locator[ParentLocator.Linkage2] }
            .Select(text => Guid.TryParse(text, out Guid guid) ? guid : Guid.Empty).Where(guid => guid != Guid.Empty)];
        if (expected.Length == 0)
        {
            throw VhdxError.Damaged("the parent locator does not say which parent is meant");
        }

        ImageFormatException? failure = null;
        foreach (string path in Paths(locator))
        {
            IGrowableDevice? file = null;
            VhdxDisk? parent = null;
            try
            {
                file = options.OpenRelated(path, false);
                parent = OpenDisk(file, path, options);
                Check(parent, path, expected, child);
                return parent;
            }
            catch (Exception e) when (e is BlockDeviceException or ImageFormatException)
            {
                // Another path may lead to the right one; the first failure says what is wrong.
                failure ??= e is ImageFormatException { Error: ImageFormatError.Parent } known
                    ? known : VhdxError.Parent($"its parent {Shown(path)} cannot be used: {e.Message}", e);
                if (parent is not null)
                {
                    parent.Dispose();
                }
                else
                {
                    file?.Dispose();
                }
            }
        }

        throw failure ?? VhdxError.Parent("the parent locator has no path that can be followed here");
    }

    private static VhdxDisk OpenDisk(IGrowableDevice file, string path, ImageFormatOptions options)
    {
        if (!VhdxFormat.IsVhdx(file))
        {
            throw VhdxError.Parent($"its parent {Shown(path)} is not a VHDX");
        }

        string? folder = Path.GetDirectoryName(path);
        Func<string, bool, IGrowableDevice> open = options.OpenRelated!;
        return VhdxOpener.Open(file, options with
        {
            IsReadOnly = true,
            Depth = options.Depth + 1,
            // What the parent names is relative to the parent, and this function's paths are relative to the child.
            OpenRelated = (name, isWritable) => open(Path.IsPathRooted(name) || string.IsNullOrEmpty(folder) ? name : Path.Combine(folder, name), isWritable),
        });
    }

    private static void Check(VhdxDisk parent, string path, Guid[] expected, VhdxMetadata child)
    {
        if (!expected.Contains(parent.DataWriteGuid))
        {
            throw VhdxError.Parent($"its parent {Shown(path)} has been written to since, or is another one (it has the DataWriteGuid {parent.DataWriteGuid}, not {expected[0]})");
        }

        if (parent.SectorSize != child.LogicalSectorSize)
        {
            throw VhdxError.Parent($"its parent {Shown(path)} has sectors of {parent.SectorSize} bytes, it has {child.LogicalSectorSize}");
        }
    }

    private static IEnumerable<string> Paths(ParentLocator locator)
    {
        foreach (string key in (string[])[ParentLocator.RelativePath, ParentLocator.VolumePath, ParentLocator.AbsolutePath])
        {
            if (locator[key] is not { } path || path.Contains('\0', StringComparison.Ordinal))
            {
                continue;
            }

            if (OperatingSystem.IsWindows())
            {
                yield return path;
            }
            else if (key == ParentLocator.RelativePath || path.StartsWith('/'))
            {
                // A drive or a volume of Windows leads nowhere here.
                yield return path.Replace('\\', '/');
            }
        }
    }

    /// <summary>The path as a part of one line.</summary>
    private static string Shown(string path)
    {
        var text = new StringBuilder(path.Length);
        foreach (char c in path)
        {
            text.Append(char.IsControl(c) ? '?' : c);
        }

        return text.ToString();
    }
}
