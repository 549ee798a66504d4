using WinLoop.Storage;

namespace WinLoop.Images.Qcow2;

/// <summary>Finds and opens the backing file of a disk, for reading.</summary>
internal static class BackingFile
{
    /// <summary>Refuses a chain that is too long, which a chain without an end is too.</summary>
    public static void CheckDepth(ImageFormatOptions options)
    {
        if (options.Depth > ImageFormatOptions.MaxDepth)
        {
            throw Qcow2Error.Parent($"more than {ImageFormatOptions.MaxDepth} backing files below each other; a disk may be its own backing file");
        }
    }

    /// <summary>Opens the backing file as what the header says it is, or, if that is silent, as what it holds.</summary>
    public static IBlockDevice? Open(Qcow2Header header, ImageFormatOptions options)
    {
        if (header.BackingName is null)
        {
            return null;
        }

        if (options.OpenRelated is null)
        {
            throw Qcow2Error.Parent("it has a backing file, which cannot be opened here");
        }

        string path = PathOf(header.BackingName), shown = Qcow2Error.Shown(path);
        IImageFormat? wanted = header.Extensions.BackingFormat is { } name ? FormatOf(name) : null;
        IGrowableDevice? file = null;
        try
        {
            file = options.OpenRelated(path, false);
            bool isRaw = header.Extensions.BackingFormat == "raw";
            if (wanted is not null && !wanted.Matches(file))
            {
                throw Qcow2Error.Parent($"its backing file {shown} is not a {wanted.Name}, as it should be");
            }

            return isRaw || (wanted ?? ImageFormats.Find(file)) is not { } format ? file : format.Open(file, Below(options, path));
        }
        catch (Exception e)
        {
            file?.Dispose();
            if (e is not (BlockDeviceException or ImageFormatException))
            {
                throw; // the opener's own reason
            }

            throw e is ImageFormatException { Error: ImageFormatError.Parent } known
                ? known : Qcow2Error.Parent($"its backing file {shown} cannot be used: {e.Message}", e);
        }
    }

    private static ImageFormatOptions Below(ImageFormatOptions options, string path)
    {
        string? folder = Path.GetDirectoryName(path);
        Func<string, bool, IGrowableDevice> open = options.OpenRelated!;
        return options with
        {
            IsReadOnly = true,
            Note = null,
            Depth = options.Depth + 1,
            // What the backing file names is relative to it, and this function's paths are relative to the file above.
            OpenRelated = (name, isWritable) => open(Path.IsPathRooted(name) || string.IsNullOrEmpty(folder) ? name : Path.Combine(folder, name), isWritable),
        };
    }

    /// <summary>The path in a name; names may also be addresses and descriptions of devices.</summary>
    private static string PathOf(string name)
    {
        if (name.StartsWith("file:", StringComparison.Ordinal))
        {
            return name["file:".Length..];
        }

        int colon = name.IndexOf(':', StringComparison.Ordinal), slash = name.AsSpan().IndexOfAny('/', '\\');
        // A letter and a colon is a drive.
        return colon > 1 && (slash < 0 || colon < slash)
            ? throw Qcow2Error.Unsupported($"a backing file of the kind '{Qcow2Error.Shown(name.AsSpan(0, colon))}:' ({Qcow2Error.Shown(name)})")
            : name;
    }

    /// <summary>The format of a name, as other programs write it; null: raw.</summary>
    private static IImageFormat? FormatOf(string name)
    {
        string ours = name == "vpc" ? "VHD" : name;
        return ours == "raw"
            ? null
            : ImageFormats.All.FirstOrDefault(format => format.Name.Equals(ours, StringComparison.OrdinalIgnoreCase))
                ?? throw Qcow2Error.Unsupported($"a backing file of the format '{Qcow2Error.Shown(name)}'");
    }
}
