namespace WinLoop.CrashTests;

/// <summary>A state that is not what was promised.</summary>
internal sealed class CrashViolation(string message, Exception? inner = null) : Exception(message, inner);
