namespace WinLoop.CrashTests;

/// <summary>Workloads made for one part of the engine each.</summary>
internal static class SpecialFamilies
{
    /// <summary>Small commits before the recording, so that the log's head is far on.</summary>
    public static IEnumerable<string> Fillers(Random random, int count) => SmallCommits(random, count).Append("sync");

    /// <summary>Transactions of a few blocks each: the log wraps and is checkpointed on the way.</summary>
    public static IEnumerable<string> SmallCommits(Random random, int count)
    {
        for (int i = 0; i < count; i++)
        {
            string file = $"B/f{random.Next(6)}";
            yield return (i % 4) switch
            {
                0 => $"create {file}",
                1 => $"append {file} {random.Next(1, 3000)} {300 + i}",
                2 => random.Next(3) == 0 ? $"unlink {file}" : $"rename {file} B/g{random.Next(4)}",
                _ => $"write A/z {random.Next(4000)} {random.Next(1, 2000)} {300 + i}",
            };
            yield return random.Next(3) == 0 ? $"fsync {file}" : "sync";
        }
    }

    /// <summary>Leaves so few blocks that what is freed is used again at once.</summary>
    public static IEnumerable<string> LittleRoom(string image)
    {
        int blockSize = image.StartsWith("4k", StringComparison.Ordinal) ? 4096 : image.StartsWith("2k", StringComparison.Ordinal) ? 2048 : 1024;
        yield return "create filler";
        // Until it no longer fits, then give some back.
        for (int i = 0; i < 60; i++)
        {
            yield return $"append filler {128 * blockSize} 5";
        }
        for (int i = 0; i < 40; i++)
        {
            yield return $"append filler {4 * blockSize} 5";
        }
        yield return "create spare";
        yield return "sync";
        yield return $"truncate filler {400 * blockSize}";
        yield return "sync";
        for (int i = 0; i < 60; i++)
        {
            yield return $"append spare {16 * blockSize} 6";
        }
        yield return "truncate spare " + (blockSize * 16);
        yield return "sync";
        for (int i = 0; i < 60; i++)
        {
            yield return $"append filler {16 * blockSize} 5";
        }
        yield return "sync";
        // About fifty blocks come free now.
        yield return "unlink spare";
        yield return $"punch filler {100 * blockSize} {40 * blockSize}";
        yield return "sync";
    }

    /// <summary>Directories and attribute blocks go and come back as file content.</summary>
    public static IEnumerable<string> Revokes(int blockSize)
    {
        yield return "mkdir B/d";
        int names = blockSize / 60 * 6;
        for (int i = 0; i < names; i++)
        {
            yield return $"create B/d/{i:d3}-a-name-that-fills-the-blocks-quickly";
        }
        yield return "setxattr A/x user.big 700 31";
        yield return "sync";
        for (int i = 0; i < names; i++)
        {
            yield return $"unlink B/d/{i:d3}-a-name-that-fills-the-blocks-quickly";
        }
        yield return "rmdir B/d";
        yield return "rmxattr A/x user.big";
        yield return "sync";
        yield return "create B/f";
        for (int i = 0; i < 12; i++)
        {
            yield return $"append B/f {8 * blockSize} {32 + i}";
        }
        yield return "sync";
        yield return "append A/z 3000 50";
        yield return "fsync A/z";
    }

    /// <summary>The same with nodes of an extent tree and long symbolic links.</summary>
    public static IEnumerable<string> RevokedNodes(int blockSize)
    {
        yield return "create B/s";
        for (int i = 0; i < 12; i++)
        {
            yield return $"write B/s {2 * i * blockSize} 100 {60 + i}";
        }
        yield return "symlink B/l t*300";
        yield return "sync";
        yield return "truncate B/s 0";
        yield return "unlink B/l";
        yield return "sync";
        for (int i = 0; i < 12; i++)
        {
            yield return $"append A/z {4 * blockSize} {80 + i}";
        }
        yield return "fsync A/z";
        yield return "truncate A/z 100";
        yield return "fsync A/z";
        yield return "symlink B/m u*300";
        yield return "fsync B";
    }

    /// <summary>Unlinked open files, replaced open files, unnamed files that get a name.</summary>
    public static IEnumerable<string> Orphans() =>
    [
        "open A/x #1", "open A/z #2", "unlink A/x", "sync", "append #1 5000 41", "fsync #1", "create A/x", "append A/x 2000 42", "sync",
        "rename A/x A/z", "sync", "write #2 0 500 43", "fsync #2", "tmpfile B #3", "append #3 4000 44", "fsync #3", "close #2", "sync",
        "link #3 B/named", "sync", "mkdir B/d", "open B/d #4", "rmdir B/d", "sync", "close #1", "sync", "close #4", "close #3", "sync",
        "open B/named #5", "unlink B/named", "tmpfile A #6", "tmpfile A #7", "sync", "close #7", "sync",
    ];

    /// <summary>A file in many pieces.</summary>
    public static IEnumerable<string> Scattered(int blockSize, int pieces)
    {
        yield return "create B/s";
        for (int i = 0; i < pieces; i++)
        {
            yield return $"write B/s {(2 * i * blockSize) + (i % 7)} {blockSize / 2} {200 + i}";
        }
        yield return "sync";
    }

    /// <summary>What takes a mapping apart and together, over more than one transaction where it is long.</summary>
    public static IEnumerable<string> Truncates(int blockSize) =>
    [
        $"punch B/s {7 * blockSize} {90 * blockSize}", "fsync B/s", $"truncate B/s {(301 * blockSize) + 77}", "sync",
        $"falloc B/s {5 * blockSize} {200 * blockSize}", "fsync B/s", $"write B/s {(20 * blockSize) + 9} {3 * blockSize} 71", "fsync B/s",
        $"zero B/s {(100 * blockSize) + 1} {50 * blockSize}", "sync", $"collapse B/s {4 * blockSize} {20 * blockSize}", "fsync B/s",
        $"insert B/s {8 * blockSize} {8 * blockSize}", "fsync B/s", "truncate B/s 1", "sync", $"truncate B/s {40 * blockSize}", "fsync B/s",
        $"write B/s {10 * blockSize} {20 * blockSize} 72", "unlink B/s", "sync",
    ];

    /// <summary>Many files in one transaction; the directory grows an index.</summary>
    public static IEnumerable<string> BigTransaction(int files)
    {
        yield return "mkdir B/many";
        for (int i = 0; i < files; i++)
        {
            yield return $"create B/many/{i:d3}-{new string('n', 40)}";
            if (i % 9 == 0)
            {
                yield return $"append B/many/{i:d3}-{new string('n', 40)} 1500 {i + 1}";
            }
        }
        yield return "sync";
        for (int i = 0; i < files; i += 2)
        {
            yield return $"unlink B/many/{i:d3}-{new string('n', 40)}";
        }
        yield return "fsync B/many";
    }

    /// <summary>On a volume that is nearly full: operations fail, half succeed, or need a commit to go on.</summary>
    public static IEnumerable<string> OutOfSpace(Random random, int blockSize)
    {
        for (int i = 0; i < 26; i++)
        {
            string file = $"B/f{random.Next(3)}";
            yield return (i % 7) switch
            {
                0 => $"create {file}",
                1 => $"append {file} {random.Next(1, 30) * blockSize} {400 + i}",
                2 => $"falloc {file} {random.Next(10) * blockSize} {random.Next(1, 30) * blockSize}",
                3 => $"write {file} {random.Next(40) * 2 * blockSize} 100 {400 + i}",
                4 => $"truncate {file} {random.Next(5) * blockSize}",
                5 => $"setxattr {file} user.a 800 {400 + i}",
                _ => $"append A/x {random.Next(1, 60) * blockSize} {400 + i}",
            };
            if (i % 3 == 2)
            {
                yield return random.Next(2) == 0 ? "sync" : $"fsync {file}";
            }
        }
    }

    /// <summary>The volume is marked clean and as in use again, with changes on both sides and files open without a name.</summary>
    public static IEnumerable<string> Suspends(Random random)
    {
        string[] small = [.. SmallCommits(random, 10)];
        return ["suspend", .. small, "suspend", "open A/x #1", "unlink A/x", "suspend", "append #1 3000 61", "create B/y", "suspend", "suspend",
            "write A/z 0 2000 62", "suspend", "close #1", "label asleep", "suspend", "rename B/y A/z", "fsync A", "suspend", .. small, "suspend"];
    }

    /// <summary>What only Windows asks for.</summary>
    public static IEnumerable<string> Windows() =>
    [
        "label first", "sync", "replace A/x symlink target", "fsync A", "replace A/x symlink t*400", "sync", "label second", "replace A/z fifo", "sync",
        "create B/f", "append B/f 3000 91", "setxattr B/f user.DOSATTRIB 60 92", "setxattr B/f user.DosStream.s:$DATA 500 93", "sync",
        "replace B/f symlink elsewhere", "fsync B", "mkdir B/j", "replace B/j symlink t*80", "sync", "label third", "unlink A/x",
        "rename B/f A/x", "sync",
    ];
}
