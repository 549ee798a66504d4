namespace WinLoop.Mounting;

/// <summary>The kinds of failure a user can tell apart; the values are the program's exit codes.</summary>
public enum MountError
{
    /// <summary>Anything that has no kind of its own.</summary>
    Failed = 1,
    /// <summary>The command or an option is wrong.</summary>
    Usage = 2,
    /// <summary>The image, directory, partition or mount does not exist.</summary>
    NotFound = 3,
    /// <summary>The volume contradicts the format.</summary>
    Damaged = 4,
    /// <summary>The volume, image or request needs something WinLoop does not have.</summary>
    Unsupported = 5,
    /// <summary>Somebody else uses the image or the mount.</summary>
    Busy = 6,
    /// <summary>Permission denied.</summary>
    Denied = 7,
    /// <summary>The part of the system that serves mounts is missing.</summary>
    HostMissing = 8,
    /// <summary>Stopped by Ctrl-C.</summary>
    Interrupted = 130,
}

/// <summary>A failure in the words the user reads: what failed, why, and what to do.</summary>
/// <param name="error">The kind.</param>
/// <param name="what">What failed, for example <c>cannot mount pi.img</c>.</param>
/// <param name="why">The reason, without a full stop.</param>
/// <param name="hint">One sentence: what the user can do.</param>
/// <param name="inner">The cause.</param>
public sealed class MountException(MountError error, string what, string why, string? hint = null, Exception? inner = null)
    : Exception(what.Length == 0 ? why : $"{what}: {why}", inner)
{
    /// <summary>From a message that is whole already, as another process has told it.</summary>
    public static MountException FromMessage(MountError error, string message, string? hint) => new(error, "", message, hint);

    /// <summary>The kind.</summary>
    public MountError Error { get; } = error;

    /// <summary>The reason alone.</summary>
    public string Reason { get; } = why;

    /// <summary>What the user can do; null if there is nothing to say.</summary>
    public string? Hint { get; } = hint;
}
