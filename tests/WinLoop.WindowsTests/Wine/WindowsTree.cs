using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using WinLoop.Mounting.Windows;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Wine;

/// <summary>A tree on the Windows side, read and written as programs do it that know of WSL's metadata; by several
/// programs at once.</summary>
/// <param name="client">The first program.</param>
/// <param name="connect">Starts another one.</param>
internal sealed class WindowsTree(StandInClient client, Func<StandInClient> connect)
{
    private const int Programs = 8;

    private const int Chunk = 1 << 20, LongestName = 255;
    private const long TicksTo1970 = 116_444_736_000_000_000;
    private const uint DirectoryAttribute = 0x10, ReparseAttribute = 0x400;

    /// <summary>Copies a tree of the Linux side, by its entries. Hard links become copies, because Windows cannot make
    /// them through WinFsp.</summary>
    public void Write(string source, IReadOnlyList<TreeEntry> entries, string top)
    {
        foreach (TreeEntry entry in entries.Where(e => e.IsDirectory))
        {
            client.MakeDirectory(PathOf(top, entry.Name));
        }
        ForAll([.. entries.Where(e => !e.IsDirectory)], (program, entry) => WriteOne(program, source, entry, PathOf(top, entry.Name)));
        // What is made in a directory changes its time, so from the bottom up at last.
        foreach (TreeEntry entry in entries.Where(e => e.IsDirectory).Reverse())
        {
            using NtFile directory = client.Create(PathOf(top, entry.Name), disposition: Disposition.Open, options: Options.Directory);
            Finish(directory, entry);
        }
    }

    /// <summary>All entries, sorted by name.</summary>
    public List<TreeEntry> Read(string top)
    {
        var found = new List<(byte[] Name, string Path, bool IsDirectory)> { ([], top, true) };
        for (int next = 0; next < found.Count; next++)
        {
            (byte[] name, string path, bool isDirectory) = found[next];
            foreach (DirectoryItem item in isDirectory ? client.List(path) : [])
            {
                found.Add((name.Length == 0 ? BytesOf(item.Name) : [.. name, (byte)'/', .. BytesOf(item.Name)], $@"{path}\{item.Name}",
                    (item.Info.FileAttributes & (DirectoryAttribute | ReparseAttribute)) == DirectoryAttribute));
            }
        }
        var entries = new System.Collections.Concurrent.ConcurrentBag<TreeEntry>();
        ForAll(found, (program, item) =>
        {
            using NtFile file = OpenWhenFree(program, item.Path);
            entries.Add(Describe(file, item.Name, file.GetInfo()));
        });
        return [.. entries.OrderBy(e => e.Name, Comparer<byte[]>.Create((a, b) => a.AsSpan().SequenceCompareTo(b)))];
    }

    /// <summary>Windows' form of a name: what it forbids, and bytes that are no UTF-8, in U+F000 to U+F0FF.</summary>
    public static string NameOf(ReadOnlySpan<byte> name)
    {
        var text = new StringBuilder();
        for (int at = 0; at < name.Length;)
        {
            if (Rune.DecodeFromUtf8(name[at..], out Rune rune, out int used) != System.Buffers.OperationStatus.Done)
            {
                text.Append((char)(0xF000 + name[at++]));
                continue;
            }
            at += used;
            bool isForbidden = rune.Value < 32 || (rune.IsAscii && "\"*:<>?|\\".Contains((char)rune.Value, StringComparison.Ordinal))
                || (at == name.Length && rune.Value is '.' or ' ');
            text.Append(isForbidden ? ((char)(0xF000 + rune.Value)).ToString() : rune.ToString());
        }
        return text.ToString();
    }

    private static byte[] BytesOf(string name)
    {
        using var bytes = new MemoryStream();
        Span<byte> utf8 = stackalloc byte[4];
        foreach (Rune rune in name.EnumerateRunes())
        {
            if (rune.Value is >= 0xF000 and <= 0xF0FF)
            {
                bytes.WriteByte((byte)rune.Value);
                continue;
            }
            bytes.Write(utf8[..rune.EncodeToUtf8(utf8)]);
        }
        return bytes.ToArray();
    }

    private static string PathOf(string top, byte[] name)
    {
        var path = new StringBuilder(top);
        foreach (Range part in Split(name))
        {
            path.Append('\\').Append(NameOf(name.AsSpan()[part]));
        }
        return path.ToString();
    }

    private static List<Range> Split(byte[] name)
    {
        var parts = new List<Range>();
        foreach (Range part in name.AsSpan().Split((byte)'/'))
        {
            if (part.End.Value > part.Start.Value)
            {
                parts.Add(part);
            }
        }
        return parts;
    }

    private void ForAll<T>(IReadOnlyList<T> items, Action<StandInClient, T> action)
    {
        int next = -1;
        Parallel.For(0, Programs, new ParallelOptions { MaxDegreeOfParallelism = Programs }, _ =>
        {
            using StandInClient program = connect();
            while (Interlocked.Increment(ref next) is var i && i < items.Count)
            {
                action(program, items[i]);
            }
        });
    }

    // Of twins in case only one is open at a time.
    private static NtFile OpenWhenFree(StandInClient program, string path)
    {
        for (int attempt = 0; ; attempt++)
        {
            try
            {
                return program.Create(path, Access.Read, Disposition.Open, Options.OpenReparsePoint);
            }
            catch (NtStatusException e) when (e.Status == NtStatus.SharingViolation && attempt < 100)
            {
                Thread.Sleep(10);
            }
        }
    }

    private static void WriteOne(StandInClient program, string source, TreeEntry entry, string path)
    {
        using NtFile file = program.Create(path, disposition: Disposition.Create, options: Options.NonDirectory);
        if (entry.IsFile)
        {
            using SafeFileHandle handle = LinuxTree.Open(source, entry.Name);
            byte[] buffer = System.Buffers.ArrayPool<byte>.Shared.Rent(Chunk);
            for (long at = 0; RandomAccess.Read(handle, buffer, at) is > 0 and var count; at += count)
            {
                file.Write((ulong)at, buffer.AsSpan(0, count));
            }
            System.Buffers.ArrayPool<byte>.Shared.Return(buffer);
        }
        else
        {
            file.SetReparsePoint(entry.IsLink ? Symlink(Convert.FromHexString(entry.What)) : ReparseBuffer.Make(entry.WslTag)).ThrowIfFailed("reparse point " + path);
        }
        Finish(file, entry);
    }

    private static void Finish(NtFile file, TreeEntry entry)
    {
        var list = new EaBuffer();
        list.Add("$LXUID", entry.Uid);
        list.Add("$LXGID", entry.Gid);
        list.Add("$LXMOD", (uint)entry.Mode);
        if (entry.IsDevice)
        {
            string[] numbers = entry.What.Split(':');
            list.Add("$LXDEV", [.. BitConverter.GetBytes(uint.Parse(numbers[0], CultureInfo.InvariantCulture)), .. BitConverter.GetBytes(uint.Parse(numbers[1], CultureInfo.InvariantCulture))]);
        }
        foreach (string attribute in entry.Attributes == "-" ? [] : entry.Attributes.Split(','))
        {
            string[] parts = attribute.Split('=');
            // An empty value means "remove" on Windows.
            if (parts[1].Length > 0)
            {
                list.Add(parts[0], Convert.FromHexString(parts[1]));
            }
        }
        file.SetEa(list.ToArray()).ThrowIfFailed("set EAs");
        file.SetBasic(write: (ulong)(entry.Time + TicksTo1970)).ThrowIfFailed("set time");
    }

    private static TreeEntry Describe(NtFile file, byte[] name, WindowsFileInfo info)
    {
        int mode = 0;
        uint uid = 0, gid = 0;
        string? device = null;
        var attributes = new List<string>();
        foreach ((string attribute, byte[] value) in EaBuffer.Parse(file.GetEa()))
        {
            switch (attribute)
            {
                case "$LXUID":
                    uid = BitConverter.ToUInt32(value);
                    break;
                case "$LXGID":
                    gid = BitConverter.ToUInt32(value);
                    break;
                case "$LXMOD":
                    mode = BitConverter.ToInt32(value);
                    break;
                case "$LXDEV":
                    device = $"{BitConverter.ToUInt32(value)}:{BitConverter.ToUInt32(value, 4)}";
                    break;
                default:
                    attributes.Add($"{attribute.ToLowerInvariant()}={Convert.ToHexStringLower(value)}");
                    break;
            }
        }
        attributes.Sort(StringComparer.Ordinal);
        var entry = new TreeEntry(name, mode, uid, gid, (long)info.LastWriteTime - TicksTo1970, "-", attributes.Count == 0 ? "-" : string.Join(',', attributes));
        if (entry.IsFile)
        {
            using var digest = new LinuxTree.Digest();
            ulong at = 0;
            while (file.Read(at, Chunk) is { Length: > 0 } part)
            {
                digest.Add(part);
                at += (ulong)part.Length;
            }
            Assert.Equal(info.FileSize, at);
            return entry with { What = digest.Finish() };
        }
        if (entry.IsDirectory)
        {
            return entry;
        }
        (NtStatus status, byte[] data) = file.GetReparsePoint();
        status.ThrowIfFailed("get reparse point");
        if (!entry.IsLink)
        {
            Assert.Equal(entry.WslTag, ReparseBuffer.TagOf(data));
            return entry with { What = device ?? "-" };
        }
        (string path, bool isRelative) = ReparseBuffer.ReadSymlink(data);
        Assert.True(isRelative);
        string target = string.Join('/', path.Split('\\').Select(p => Encoding.Latin1.GetString(BytesOf(p))));
        return entry with { What = Convert.ToHexStringLower(Encoding.Latin1.GetBytes(target)) };
    }

    private static byte[] Symlink(byte[] target)
    {
        string[] parts = Encoding.Latin1.GetString(target).Split('/');
        // What is no path of Windows is written as WSL itself does.
        return parts.Any(p => p.Length > LongestName)
            ? ReparseBuffer.MakeLxSymlink(target)
            : ReparseBuffer.MakeSymlink(string.Join('\\', parts.Select(p => p is "." or ".." ? p : NameOf(Encoding.Latin1.GetBytes(p)))));
    }
}
