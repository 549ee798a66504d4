namespace WinLoop.WinFsp.Binding;

/// <summary>WinFsp is not installed, too old or damaged. The message says what to do about it.</summary>
public sealed class WinFspMissingException(string message, Exception? inner = null) : IOException(message, inner);
