using Microsoft.Extensions.Logging;

namespace WinLoop.Mounting.Settings;

/// <summary>What the settings say; null = nothing, so that the built-in default holds. The command line overrides all of it.</summary>
public sealed record UserSettings
{
    /// <summary>Nothing is set.</summary>
    public static UserSettings None { get; } = new();

    /// <summary><c>mount:readOnly</c>.</summary>
    public bool? ReadOnly { get; init; }
    /// <summary><c>mount:options</c>: in front of what <c>-o</c> gives.</summary>
    public string? Options { get; init; }
    /// <summary><c>mount:open</c>.</summary>
    public bool? Open { get; init; }
    /// <summary><c>mount:acl</c>.</summary>
    public string? Acl { get; init; }
    /// <summary><c>mount:uid</c>.</summary>
    public string? Uid { get; init; }
    /// <summary><c>mount:gid</c>.</summary>
    public string? Gid { get; init; }
    /// <summary><c>mount:umask</c>.</summary>
    public string? Umask { get; init; }
    /// <summary><c>mount:fsname</c>.</summary>
    public string? FileSystemName { get; init; }
    /// <summary><c>mount:cache</c>.</summary>
    public string? Cache { get; init; }
    /// <summary><c>mount:caseSensitive</c>.</summary>
    public bool? CaseSensitive { get; init; }
    /// <summary><c>mount:hideDotFiles</c>.</summary>
    public bool? HideDotFiles { get; init; }
    /// <summary><c>log:file</c>: absolute.</summary>
    public string? LogFile { get; init; }
    /// <summary><c>log:level</c>.</summary>
    public LogLevel? LogLevel { get; init; }
    /// <summary><c>log:maxSize</c>, in bytes.</summary>
    public long? LogMaxSize { get; init; }
    /// <summary><c>log:files</c>: how many are kept, the current one included.</summary>
    public int? LogFiles { get; init; }
}
