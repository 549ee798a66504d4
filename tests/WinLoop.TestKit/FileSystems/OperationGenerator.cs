namespace WinLoop.TestKit.FileSystems;

/// <summary>
/// A seeded stream of operations. Shares of the steps: 24 % namespace creation, 16 % removal, 12 % rename and
/// link, 30 % data (write, truncate, fallocate in all modes), 6 % xattrs, 6 % attributes, 5 % reads, 1 % sync.
/// </summary>
internal sealed class OperationGenerator(int seed, long maximumSize, int blockSize, bool allowsShifts = true)
{
    private const int NoSpace = 28;
    private readonly Random _random = new(seed);
    private static readonly string[] s_names = ["a", "b", "c", "d", "e", "file-with-a-longer-name", "Ünïcödé", "f.tmp", "g", "h",
        new('n', 255), "k0", "k1", "k2", "k3", "k4", "k5", "k6"];

    /// <summary>One step on every file system; the answers have to be equal.</summary>
    /// <returns>A description of the step and the answers.</returns>
    public (string Step, int[] Errors, byte[][] Data) Next(IReadOnlyList<IFileSystem> systems)
    {
        (string step, Func<IFileSystem, (int, byte[])> run) = Choose();
        var errors = new int[systems.Count];
        var data = new byte[systems.Count][];
        for (int i = 0; i < systems.Count; i++)
        {
            // A model has room for everything: where the first file system had none, it stands back.
            (errors[i], data[i]) = i > 0 && errors[0] == NoSpace && systems[i] is ModelFileSystem ? (NoSpace, []) : run(systems[i]);
        }
        return (step, errors, data);
    }

    private (string, Func<IFileSystem, (int, byte[])>) Choose()
    {
        int dice = _random.Next(100);
        string path = Path(), other = Path();
        switch (dice)
        {
            case < 12: { ushort mode = Mode(); return Step($"create {path}", fs => fs.Create(path, mode)); }
            case < 18: { ushort mode = (ushort)(Mode() & 0x3FF); return Step($"mkdir {path}", fs => fs.MakeDirectory(path, mode)); }
            case < 21:
                string target = "/nonexistent/" + new string((char)('a' + _random.Next(26)), 1 + _random.Next(_random.Next(4) == 0 ? 900 : 80));
                return Step($"symlink {path} ({target.Length})", fs => fs.Symlink(path, target));
            case < 24:
                ushort type = (ushort)((_random.Next(4)) switch { 0 => 0x1000, 1 => 0x2000, 2 => 0x6000, _ => 0xC000 } | 0x1A4);
                uint device = (type & 0xF000) is 0x2000 or 0x6000 ? (uint)_random.Next(1 << 16) : 0;
                return Step($"mknod {path} {type:x}", fs => fs.MakeNode(path, type, device));
            case < 34: return Step($"unlink {path}", fs => fs.Unlink(path));
            case < 40: return Step($"rmdir {path}", fs => fs.RemoveDirectory(path));
            case < 48:
                int flags = _random.Next(10) switch { 0 => 1, 1 or 2 => 2, 3 => 4, _ => 0 };
                return Step($"rename {path} {other} {flags}", fs => fs.Rename(path, other, flags));
            case < 52: return Step($"link {path} {other}", fs => fs.Link(path, other));
            case < 68:
                long at = Offset();
                byte[] data = Data();
                return Step($"write {path} {at}+{data.Length}", fs => fs.Write(path, at, data));
            case < 74: { long size = Offset(); return Step($"truncate {path} {size}", fs => fs.Truncate(path, size)); }
            case < 82: return Fallocate(path);
            case < 86:
                string name = "user." + (char)('a' + _random.Next(6));
                byte[] value = new byte[_random.Next(4) == 0 ? _random.Next(700) : _random.Next(40)];
                _random.NextBytes(value);
                int how = _random.Next(6) switch { 0 => 1, 1 => 2, _ => 0 };
                return Step($"setxattr {path} {name} {value.Length} {how}", fs => fs.SetAttribute(path, name, value, how));
            case < 88: { string n = "user." + (char)('a' + _random.Next(6)); return Step($"removexattr {path} {n}", fs => fs.RemoveAttribute(path, n)); }
            case < 90: { ushort mode = Mode(); return Step($"chmod {path} {mode:x}", fs => fs.SetMode(path, mode)); }
            case < 92: { uint uid = (uint)_random.Next(100000), gid = (uint)_random.Next(100000); return Step($"chown {path}", fs => fs.SetOwner(path, uid, gid)); }
            case < 94: { long seconds = _random.NextInt64(-2147483648, 10_000_000_000); return Step($"utimens {path} {seconds}", fs => fs.SetTimes(path, seconds, 123456789)); }
            case < 99:
                long from = Offset();
                int length = _random.Next(100_000);
                return ($"read {path} {from}+{length}", fs => fs.Read(path, from, length));
            default:
                return _random.Next(4) == 0
                    ? Step("sync", fs => { fs.SynchronizeAll(); return 0; })
                    : Step($"fsync {path}", fs => fs.Synchronize(path));
        }
    }

    private (string, Func<IFileSystem, (int, byte[])>) Fallocate(string path)
    {
        int mode = _random.Next(allowsShifts ? 8 : 6) switch { 0 => 0, 1 => 1, 2 or 3 => 3, 4 => 0x10, 5 => 0x11, 6 => 8, _ => 0x20 };
        long at = Offset();
        long length = 1 + _random.Next(200_000);
        if (mode is 8 or 0x20)
        {
            int unit = Math.Max(blockSize, 4096);
            at = at % (1 << 20) / unit * unit;
            length = (1 + _random.Next(8)) * unit;
        }
        return Step($"fallocate {path} mode {mode} {at}+{length}", fs => fs.Allocate(path, mode, at, length));
    }

    private static (string, Func<IFileSystem, (int, byte[])>) Step(string text, Func<IFileSystem, int> run) => (text, fs => (run(fs), []));

    private string Path()
    {
        int depth = 1 + _random.Next(3);
        return string.Join('/', Enumerable.Range(0, depth).Select(i => i < depth - 1 ? "d" + _random.Next(3) : Name()));
    }

    private string Name() => _random.Next(3) == 0 ? "d" + _random.Next(3) : s_names[_random.Next(s_names.Length)];

    private ushort Mode() => (ushort)(_random.Next(8) == 0 ? _random.Next(0x1000) : 0x1A4);

    private byte[] Data()
    {
        byte[] data = new byte[_random.Next(6) == 0 ? _random.Next(150_000) + 1 : _random.Next(5000) + 1];
        _random.NextBytes(data);
        return data;
    }

    private long Offset() => _random.Next(12) switch
    {
        0 => 0,
        1 => _random.NextInt64(0, maximumSize + 100_000),
        2 => _random.NextInt64(0, 1L << 32),
        3 => _random.Next(64) * 4096L,
        _ => _random.Next(300_000),
    };
}
