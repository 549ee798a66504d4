using System.Security.Cryptography;

namespace WinLoop.TestKit.FileSystems;

/// <summary>One line per name; equal trees give equal lines.</summary>
internal static class TreeDump
{
    /// <summary>Largest piece of content that is hashed byte by byte; holes are skipped by the callers.</summary>
    public const int Chunk = 64 * 1024;

    public static string Line(string path, ushort mode, uint links, uint uid, uint gid, long size, uint device, long mtime,
        string target, IEnumerable<KeyValuePair<string, byte[]>> attributes, string hash)
    {
        bool isDirectory = (mode & 0xF000) == 0x4000;
        string xattrs = string.Join(';', attributes.OrderBy(a => a.Key, StringComparer.Ordinal)
            .Select(a => $"{a.Key}={Convert.ToHexString(SHA1.HashData(a.Value))[..8]}/{a.Value.Length}"));
        string mt = mtime == long.MinValue ? "-" : mtime.ToString();
        return $"{path} {Convert.ToString(mode, 8)} n{links} {uid}:{gid} s{(isDirectory ? 0 : size)} d{device} m{mt} t[{target}] x[{xattrs}] {hash}";
    }
}
