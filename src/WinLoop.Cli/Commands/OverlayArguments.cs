using System.CommandLine;
using System.Globalization;
using WinLoop.Mounting;
using WinLoop.Mounting.Overlays;

namespace WinLoop.Cli.Commands;

/// <summary>The options of <c>winloop mount</c> for mounts that leave the image as it is.</summary>
internal sealed class OverlayArguments
{
    private readonly Option<string?> _overlay = new("--overlay")
    {
        Description = "Read the image only; every write goes into FILE, which is made if it does not exist, or with 'memory' is thrown away by unmount.",
        HelpName = "FILE|memory",
    };
    private readonly Option<string?> _limit = new("--overlay-limit")
    {
        Description = "The most memory that the writes of '--overlay memory' may take (default 1G); then there is no space left.",
        HelpName = "SIZE",
    };
    private readonly Option<bool> _verify = new("--verify")
    {
        Description = "Print the SHA-256 of the image before the mount and after it, and fail if they differ; with -r or --overlay.",
    };

    internal void AddTo(Command command)
    {
        _overlay.CompletionSources.Add(OverlayRequest.Memory);
        command.Options.Add(_overlay);
        command.Options.Add(_limit);
        command.Options.Add(_verify);
    }

    /// <summary>True if the mount is one that only a process of this user's own serves.</summary>
    internal bool IsUsed(ParseResult parsed) => parsed.GetValue(_overlay) != null || parsed.GetValue(_verify);

    /// <summary>Puts them into a request.</summary>
    internal MountRequest Apply(ParseResult parsed, MountRequest request)
    {
        string? name = parsed.GetValue(_overlay);
        string? limit = parsed.GetValue(_limit);
        bool verify = parsed.GetValue(_verify);
        if (name is { Length: 0 })
        {
            throw Usage("--overlay is empty", "Name a file, or 'memory'.");
        }
        bool isMemory = name == OverlayRequest.Memory;
        if (limit != null && !isMemory)
        {
            throw Usage("--overlay-limit is for '--overlay memory'", "An overlay file is as large as the disk that holds it allows.");
        }
        long bytes = OverlayRequest.DefaultLimit;
        if (limit != null && (!ByteSize.TryParse(limit, out bytes) || bytes < OverlayRequest.MinimumLimit))
        {
            throw Usage($"'{limit}' is not a size of at least {ByteSize.Format(OverlayRequest.MinimumLimit)}", "Give bytes, or a number with K, M, G or T.");
        }
        if (verify && name == null && !request.Options.IsReadOnly)
        {
            throw Usage("--verify is for mounts that do not change the image", "Add -r or --overlay.");
        }
        return request with
        {
            Verify = verify,
            Overlay = name == null ? null : new OverlayRequest { File = isMemory ? null : Path.GetFullPath(name), Limit = bytes },
        };
    }

    /// <summary>The options that hold, for the process in the background.</summary>
    internal static IEnumerable<string> Repeat(MountRequest request)
    {
        if (request.Overlay is { } overlay)
        {
            yield return "--overlay";
            yield return overlay.Name;
            if (overlay.File == null)
            {
                yield return "--overlay-limit";
                yield return overlay.Limit.ToString(CultureInfo.InvariantCulture);
            }
        }
        if (request.Verify)
        {
            yield return "--verify";
        }
    }

    private static MountException Usage(string why, string hint) => new(MountError.Usage, "mount", why, hint);
}
