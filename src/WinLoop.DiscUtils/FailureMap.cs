using WinLoop.Ext4;

namespace WinLoop.DiscUtils;

/// <summary>From the engine's errors to the exceptions that users of DiscUtils and System.IO know.</summary>
internal static class FailureMap
{
    /// <summary>The exception to throw for an error at a path. Damage, unsupported features and failing devices are
    /// IOExceptions of their own already and are not mapped.</summary>
    public static Exception Explain(Ext4Exception e, string path, string? readOnlyReason)
    {
        string at = $"'{path}'";
        return e.Errno switch
        {
            Errno.ENOENT or Errno.ESTALE => new FileNotFoundException($"{at} does not exist.", path, e),
            Errno.ENOTDIR => new DirectoryNotFoundException($"{at}: a part of the path is not a directory.", e),
            Errno.EROFS => new UnauthorizedAccessException(
                readOnlyReason is null ? $"{at}: the volume is read-only." : $"{at}: the volume is read-only: {readOnlyReason}", e),
            Errno.EPERM => new UnauthorizedAccessException($"{at} is immutable or append-only (chattr).", e),
            Errno.EACCES => new UnauthorizedAccessException($"{at}: permission denied.", e),
            Errno.EISDIR => new UnauthorizedAccessException($"{at} is a directory.", e),
            Errno.EEXIST => new IOException($"{at} exists already.", e),
            Errno.ENOTEMPTY => new IOException($"The directory {at} is not empty.", e),
            Errno.ENOSPC => new IOException($"{at}: the volume is full.", e),
            Errno.EFBIG => new IOException($"{at}: larger than the file system allows.", e),
            Errno.EMLINK => new IOException($"{at}: the directory has too many entries that are directories.", e),
            Errno.ENAMETOOLONG => new IOException($"{at}: a name has more than 255 bytes.", e),
            Errno.EOPNOTSUPP => new NotSupportedException($"{at}: {e.Message}", e),
            _ => new IOException($"{at}: {e.Message}", e),
        };
    }

    public static DirectoryNotFoundException MissingDirectory(string path) => new($"A directory of the path '{path}' does not exist.");

    public static FileNotFoundException MissingFile(string path) => new($"The file '{path}' does not exist.", path);

    public static IOException BadName(string path, string name) => new(
        $"'{path}': the name '{name}' has no form on disk. Names have 1 to 255 bytes of UTF-8 without \" * : < > ? | and control " +
        "characters and do not end in a dot or a space; U+F000 plus a byte stands for such a byte.");
}
