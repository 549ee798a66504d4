using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Win32.SafeHandles;
using WinLoop.TestKit;

namespace WinLoop.WindowsTests.Wine;

/// <summary>One name of a tree, as far as it goes through Windows.</summary>
/// <param name="Name">Bytes, from the top of the tree, with slashes; empty for the top.</param>
/// <param name="Mode">st_mode.</param>
/// <param name="Uid">Owner.</param>
/// <param name="Gid">Group.</param>
/// <param name="Time">Last write in units of 100 ns since 1970.</param>
/// <param name="What">Size and hash, target in hexadecimal, device numbers, or "-".</param>
/// <param name="Attributes">Extended attributes in lower case with values in hexadecimal.</param>
internal sealed record TreeEntry(byte[] Name, int Mode, uint Uid, uint Gid, long Time, string What, string Attributes)
{
    private const int TypeMask = 0xF000;

    public bool IsDirectory => (Mode & TypeMask) == 0x4000;
    public bool IsFile => (Mode & TypeMask) == 0x8000;
    public bool IsLink => (Mode & TypeMask) == 0xA000;
    public bool IsDevice => (Mode & TypeMask) is 0x2000 or 0x6000;

    /// <summary>The tag of WSL for a special file.</summary>
    public uint WslTag => (Mode & TypeMask) switch
    {
        0xC000 => 0x80000023,
        0x1000 => 0x80000024,
        0x2000 => 0x80000025,
        0x6000 => 0x80000026,
        _ => throw new InvalidOperationException("no special file"),
    };

    /// <summary>One line, which is equal for equal entries.</summary>
    public override string ToString()
    {
        string name = Name.Length == 0 ? "-" : Convert.ToHexStringLower(Name);
        return $"{name} {Convert.ToString(Mode, 8)} {Uid}:{Gid} {Time} {What} {Attributes}";
    }

    /// <summary>Reads a line of manifest.py.</summary>
    public static TreeEntry Parse(string line)
    {
        string[] parts = line.Split(' ');
        string[] owner = parts[2].Split(':');
        return new TreeEntry(parts[0] == "-" ? [] : Convert.FromHexString(parts[0]), Convert.ToInt32(parts[1], 8),
            uint.Parse(owner[0], CultureInfo.InvariantCulture), uint.Parse(owner[1], CultureInfo.InvariantCulture),
            long.Parse(parts[3], CultureInfo.InvariantCulture), parts[4], parts[5]);
    }
}

/// <summary>A tree on the Linux side.</summary>
internal static partial class LinuxTree
{
    private const int Chunk = 1 << 18;

    private static string Scripts => Path.Combine(AppContext.BaseDirectory, "Scripts");

    /// <summary>Fills a directory with a copy of parts of this system and with special cases.</summary>
    public static string Fill(string directory, int files, int megabytes) =>
        Shell.Script($"python3 {Scripts}/tree.py {directory} {files} {megabytes}", 900).Trim();

    /// <summary>All entries, sorted by name; a directory comes before what is in it.</summary>
    public static List<TreeEntry> Read(string directory) =>
        [.. Shell.Script($"python3 {Scripts}/manifest.py --windows {directory}", 900).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(TreeEntry.Parse)];

    /// <summary>A file of any name, for reading.</summary>
    public static SafeFileHandle Open(string directory, byte[] name)
    {
        int descriptor = OpenFile([.. Encoding.UTF8.GetBytes(directory), (byte)'/', .. name, 0], 0);
        Assert.True(descriptor >= 0, $"open {Convert.ToHexString(name)}: {Marshal.GetLastPInvokeError()}");
        return new SafeFileHandle(descriptor, ownsHandle: true);
    }

    /// <summary>Hash of content as manifest.py makes it: of the chunks that are not zero, with their places.</summary>
    public sealed class Digest : IDisposable
    {
        private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        private readonly byte[] _chunk = new byte[Chunk];
        private long _at;
        private int _used;

        /// <summary>Adds what comes next.</summary>
        public void Add(ReadOnlySpan<byte> data)
        {
            while (!data.IsEmpty)
            {
                int count = Math.Min(data.Length, Chunk - _used);
                data[..count].CopyTo(_chunk.AsSpan(_used));
                data = data[count..];
                _used += count;
                if (_used == Chunk)
                {
                    EndChunk();
                }
            }
        }

        /// <summary>Size and hash.</summary>
        public string Finish()
        {
            long size = _at + _used;
            EndChunk();
            return $"{size}:{Convert.ToHexStringLower(_hash.GetHashAndReset())}";
        }

        public void Dispose() => _hash.Dispose();

        private void EndChunk()
        {
            if (_chunk.AsSpan(0, _used).ContainsAnyExcept((byte)0))
            {
                _hash.AppendData(BitConverter.GetBytes(_at));
                _hash.AppendData(_chunk.AsSpan(0, _used));
            }
            _at += _used;
            _used = 0;
        }
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true)]
    private static partial int OpenFile(byte[] path, int flags);
}
