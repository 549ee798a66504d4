namespace WinLoop.Images;

/// <summary>Why a container cannot be opened or written.</summary>
public enum ImageFormatError
{
    /// <summary>The content contradicts itself or the format.</summary>
    Damaged,

    /// <summary>It is sound and needs something that WinLoop does not have; the message names it.</summary>
    Unsupported,

    /// <summary>A file that it names is missing, or is not the one that it was made on.</summary>
    Parent,
}

/// <summary>A container that cannot be opened or written.</summary>
/// <param name="error">The kind.</param>
/// <param name="message">One line for the user: what is wrong and where.</param>
/// <param name="inner">The cause.</param>
public sealed class ImageFormatException(ImageFormatError error, string message, Exception? inner = null)
    : IOException(message, inner)
{
    /// <summary>The kind.</summary>
    public ImageFormatError Error { get; } = error;
}
