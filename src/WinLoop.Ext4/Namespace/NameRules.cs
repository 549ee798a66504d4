namespace WinLoop.Ext4.Namespace;

/// <summary>What ext4 accepts as a name.</summary>
internal static class NameRules
{
    /// <summary>Bytes in the longest name.</summary>
    public const int MaxLength = 255;

    /// <summary>Checks a name that is looked up.</summary>
    /// <exception cref="Ext4Exception">ENAMETOOLONG, ENOENT (empty), EINVAL ('/' or NUL).</exception>
    public static void RequireValid(ReadOnlySpan<byte> name)
    {
        if (name.Length > MaxLength)
        {
            throw new Ext4Exception(Errno.ENAMETOOLONG);
        }
        if (name.IsEmpty)
        {
            throw new Ext4Exception(Errno.ENOENT);
        }
        if (name.IndexOfAny((byte)'/', (byte)0) >= 0)
        {
            throw new Ext4Exception(Errno.EINVAL);
        }
    }

    /// <summary>Checks a name that is to be created or removed: "." and ".." are not.</summary>
    public static void RequireChangeable(ReadOnlySpan<byte> name, Errno forDots)
    {
        RequireValid(name);
        if (IsDots(name))
        {
            throw new Ext4Exception(forDots);
        }
    }

    /// <summary>True for "." and "..".</summary>
    public static bool IsDots(ReadOnlySpan<byte> name) =>
        name.Length <= 2 && name[0] == (byte)'.' && (name.Length == 1 || name[1] == (byte)'.');
}
