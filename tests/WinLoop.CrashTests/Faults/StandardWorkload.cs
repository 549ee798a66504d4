namespace WinLoop.CrashTests;

/// <summary>A little of everything that a program does to a volume, each operation of which succeeds on a device without
/// faults.</summary>
internal static class StandardWorkload
{
    /// <summary>The operations, on the files of <see cref="CrashImage.Setup"/>. <c>read</c> compares with the model;
    /// <c>checkpoint</c> is what a full log does by itself.</summary>
    public static readonly string[] Operations =
    [
        "read A/x", "create A/y", "write A/y 0 3000 10", "fsync A/y",
        "write A/x 500 1800 11", "append A/x 2500 12", "fdatasync A/x",
        "write A/x 100 700 20", "fdatasync A/x", // only content: a flush without a commit
        "mkdir B/d", "create B/d/f", "write B/d/f 0 9000 13", "setxattr A/x user.b 30 14", "setxattr B/d/f user.big 700 15", "sync",
        "truncate A/z 2500", "rename A/y B/y", "fsync B", "rename B/y A/z", "read A/z", "sync",
        "chmod A/x 600", "unlink A/x", "create A/n", "checkpoint", "write A/n 0 2500 16", "rename A/n A/m", "fdatasync A/m",
        "open A/z #u", "unlink A/z", "write A/m 9000 700 17", "falloc A/m 20000 8192", "punch A/m 0 1024", "read A/m",
        "symlink A/l t*200", "rmxattr B/d/f user.big", "mkdir A/e", "checkpoint", "rmdir A/e", "sync",
        "append A/m 3000 18", "truncate A/m 700", "close #u", "read B/d/f", "fsync A/m", "create B/last", "append B/last 100 19",
    ];

    /// <summary>What was done before a crash; the journal is full of it.</summary>
    public static readonly string[] Left =
    [
        "create A/y", "write A/y 0 3000 10", "write A/x 500 1800 11", "sync", "mkdir B/d", "create B/d/f", "write B/d/f 0 9000 13",
        "setxattr B/d/f user.big 700 15", "sync", "rename A/y B/y", "unlink A/z", "mkdir A/e", "sync", "rmdir A/e", "truncate A/x 900", "sync",
    ];
}
