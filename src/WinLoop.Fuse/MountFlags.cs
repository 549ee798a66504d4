namespace WinLoop.Fuse;

/// <summary>mount(2)'s flag bits and the words of mount(8) that set or clear them.</summary>
internal static class MountFlags
{
    public const ulong ReadOnly = 1, NoSuid = 2, NoDev = 4, NoExec = 8, Synchronous = 0x10, DirSync = 0x80,
        NoAtime = 0x400, NoDirAtime = 0x800, Silent = 0x8000, RelAtime = 1 << 21, StrictAtime = 1 << 24;

    // User mounts imply nosuid, nodev and noexec in mount(8); the caller decides that, not this table.
    private static readonly string[] Ignored =
        ["defaults", "rw", "auto", "noauto", "user", "nouser", "users", "nousers", "group", "nogroup", "owner", "noowner",
            "nofail", "_netdev", "async", "allow_other", "default_permissions", "loop"];

    public static bool IsKnown(string word) =>
        TryApply(word, 0, out _) || Array.IndexOf(Ignored, word) >= 0 ||
        word.StartsWith("comment=", StringComparison.Ordinal) || word.StartsWith("x-", StringComparison.Ordinal) ||
        word.StartsWith("X-", StringComparison.Ordinal);

    /// <summary>The bits of a list of words, applied from left to right; unknown words have no effect. Access times
    /// are off unless a word asks for them.</summary>
    public static ulong Parse(IEnumerable<string> words)
    {
        ulong flags = NoAtime;
        foreach (string word in words)
        {
            flags = TryApply(word, flags, out ulong changed) ? changed : flags;
        }
        return flags;
    }

    /// <summary>The words that stand for the bits, for a mount helper that takes words.</summary>
    public static List<string> ToWords(ulong flags)
    {
        List<string> words = [(flags & ReadOnly) != 0 ? "ro" : "rw"];
        foreach ((ulong bit, string word) in new[] { (NoSuid, "nosuid"), (NoDev, "nodev"), (NoExec, "noexec"),
            (Synchronous, "sync"), (DirSync, "dirsync"), (NoAtime, "noatime"), (NoDirAtime, "nodiratime") })
        {
            if ((flags & bit) != 0)
            {
                words.Add(word);
            }
        }
        return words;
    }

    private static bool TryApply(string word, ulong flags, out ulong changed)
    {
        const ulong atime = NoAtime | RelAtime | StrictAtime;
        (bool known, changed) = word switch
        {
            "ro" => (true, flags | ReadOnly),
            "rw" or "defaults" => (true, flags & ~ReadOnly),
            "nosuid" => (true, flags | NoSuid),
            "suid" => (true, flags & ~NoSuid),
            "nodev" => (true, flags | NoDev),
            "dev" => (true, flags & ~NoDev),
            "noexec" => (true, flags | NoExec),
            "exec" => (true, flags & ~NoExec),
            "sync" => (true, flags | Synchronous),
            "async" => (true, flags & ~Synchronous),
            "dirsync" => (true, flags | DirSync),
            "noatime" => (true, flags & ~atime | NoAtime),
            "atime" => (true, flags & ~NoAtime),
            "relatime" => (true, flags & ~atime | RelAtime),
            "norelatime" => (true, flags & ~RelAtime),
            "strictatime" => (true, flags & ~atime | StrictAtime),
            "nostrictatime" => (true, flags & ~StrictAtime),
            "nodiratime" => (true, flags | NoDirAtime),
            "diratime" => (true, flags & ~NoDirAtime),
            "silent" => (true, flags | Silent),
            "loud" => (true, flags & ~Silent),
            _ => (false, flags),
        };
        return known;
    }
}
