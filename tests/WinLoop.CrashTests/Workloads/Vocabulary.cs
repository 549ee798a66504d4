namespace WinLoop.CrashTests;

/// <summary>One thing a program does, in a namespace of two directories and a few files.</summary>
/// <param name="Lines">The operations; more than one where only together they make sense.</param>
/// <param name="Target">What a program would fsync afterwards.</param>
internal readonly record struct Deed(string[] Lines, string Target);

/// <summary>The deeds that all sequences are made of, and the kinds of persistence between them.</summary>
internal static class Vocabulary
{
    /// <summary>What a program does to be sure: nothing, fsync or fdatasync of the file, fsync of its directory, sync,
    /// close (which promises nothing).</summary>
    public static readonly string[] Persistences = ["none", "fsync", "fdatasync", "fsyncdir", "sync", "close"];

    /// <summary>Of the images' files A/x (3,000 bytes, an attribute) and A/z (6,000 bytes) and the empty B.</summary>
    public static readonly Deed[] Deeds =
    [
        One("create A/y", "A/y"), One("create B/x", "B/x"), One("mkdir A/d", "A/d"), One("mkdir B/d", "B/d"),
        One("mknod A/dev", "A"), One("symlink A/l short", "A"), One("symlink B/l t*200", "B"),
        One("write A/x 0 1000 $", "A/x"), One("write A/x 500 100 $", "A/x"), One("write A/x 1500 3000 $", "A/x"),
        One("write A/x 9000 700 $", "A/x"), One("write A/z 1024 4096 $", "A/z"), One("write A/z 5000 20000 $", "A/z"),
        One("append A/x 1500 $", "A/x"), One("append A/z 9000 $", "A/z"),
        One("truncate A/x 0", "A/x"), One("truncate A/x 1000", "A/x"), One("truncate A/x 9000", "A/x"), One("truncate A/z 4500", "A/z"),
        One("falloc A/x 0 20000", "A/x"), One("falloc A/z 8192 8192", "A/z"),
        One("punch A/z 1000 3000", "A/z"), One("punch A/z 0 4096", "A/z"), One("zero A/z 500 4000", "A/z"), One("zero A/x 1000 9000", "A/x"),
        One("collapse A/z 0 4096", "A/z"), One("insert A/z 4096 8192", "A/z"),
        One("rename A/x A/y", "A/y"), One("rename A/x B/x", "B/x"), One("rename A/x A/z", "A/z"), One("rename A/z A/x", "A/x"),
        One("rename A/z B/longer-name-than-before", "B/longer-name-than-before"), One("rename B A/b", "A/b"), One("rename A B/a", "B/a"),
        One("exchange A/x A/z", "A/x"), One("exchange A/x B", "A"), One("exchange A B", "B"), One("whiteout A/x A/y", "A/y"),
        One("link A/x A/y", "A/y"), One("link A/x B/x", "A/x"), One("unlink A/x", "A"), One("unlink A/z", "A"), One("rmdir B", ""),
        One("setxattr A/x user.b 30 $", "A/x"), One("setxattr A/x user.big 700 $", "A/x"), One("setxattr A/z user.c 20 $", "A/z"),
        One("setxattr A user.dir 500 $", "A"), One("rmxattr A/x user.a", "A/x"),
        One("chmod A/x 600", "A/x"), One("chown A/z 1000 1000", "A/z"), One("utimes A/x 1234567890", "A/x"), One("chattr A/z 64", "A/z"),
        One("replace A/x symlink target", "A"), One("replace A/z symlink t*300", "A"), One("replace A/x fifo", "A"), One("replace B symlink t*90", ""),
        One("label $crash", "A"),
        new(["create A/n", "write A/n 0 2500 $"], "A/n"),
        new(["create A/n", "write A/n 0 2500 $", "rename A/n A/x"], "A/x"),
        new(["create B/n", "append B/n 5000 $", "rename B/n A/z"], "A/z"),
        new(["truncate A/x 0", "write A/x 0 4000 $"], "A/x"),
        new(["open A/z #u", "unlink A/z"], "A"),
        new(["open A/x #v", "rename A/z A/x", "append #v 700 $"], "A/x"),
        new(["tmpfile A #t", "append #t 3000 $"], "#t"),
        new(["tmpfile B #w", "append #w 3000 $", "link #w A/t"], "A/t"),
        new(["setxattr A/x user.big 900 $", "rmxattr A/x user.big"], "A/x"),
        new(["mkdir B/e", "create B/e/f", "unlink B/e/f", "rmdir B/e"], "B"),
    ];

    private static Deed One(string line, string target) => new([line], target);

    /// <summary>A deed with its content filled in, and what follows it to be sure.</summary>
    /// <param name="deed">The deed.</param>
    /// <param name="persistence">One of <see cref="Persistences"/>.</param>
    /// <param name="content">Tells this deed's content from another's.</param>
    public static IEnumerable<string> Lines(Deed deed, string persistence, int content)
    {
        bool closes = persistence == "close" && !deed.Target.StartsWith('#');
        foreach (string line in deed.Lines)
        {
            yield return line.Replace("$", content.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal);
        }
        int slash = deed.Target.LastIndexOf('/');
        string directory = deed.Target.StartsWith('#') ? "A" : slash < 0 ? "" : deed.Target[..slash];
        switch (persistence)
        {
            case "fsync" or "fdatasync":
                yield return $"{persistence} {deed.Target}";
                break;
            case "fsyncdir":
                yield return $"fsync {directory}";
                break;
            case "sync":
                yield return "sync";
                break;
            case "close" when closes:
                yield return $"open {deed.Target} #c{content}";
                yield return $"close #c{content}";
                break;
        }
    }
}
