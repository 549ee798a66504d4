namespace WinLoop.Storage;

/// <summary>Why an overlay file cannot be used.</summary>
public enum OverlayError
{
    /// <summary>It is no overlay file.</summary>
    NotAnOverlay,

    /// <summary>It is one, of a version that this program does not have.</summary>
    Unsupported,

    /// <summary>It contradicts its format.</summary>
    Damaged,

    /// <summary>The base is not the image that the overlay was made over, or no longer as it was.</summary>
    BaseChanged,

    /// <summary>A commit of it was begun, or is done: it is no overlay any more.</summary>
    Committed,
}

/// <summary>An overlay file cannot be used.</summary>
public sealed class OverlayException(OverlayError error, string message) : IOException(message)
{
    /// <summary>The kind of failure.</summary>
    public OverlayError Error { get; } = error;
}
