using System.Security.Cryptography;
using WinLoop.Ext4;
using WinLoop.Ext4.Format;

namespace WinLoop.CrashTests;

/// <summary>What one name shows. The model and the reader of a recovered volume make the same entry of the same thing.</summary>
/// <param name="Node">The model's number of the object; 0 in what was read from a volume.</param>
/// <param name="Line">Everything but content and times, as text.</param>
/// <param name="Content">The bytes of a regular file; null for the rest.</param>
internal sealed record TreeEntry(int Node, string Line, byte[]? Content)
{
    /// <summary>The entry that stands for the volume's label.</summary>
    public const string LabelPath = "(label)";

    /// <summary>The flags that a workload sets.</summary>
    public const InodeFlags ComparedFlags = InodeFlags.Immutable | InodeFlags.Append | InodeFlags.NoDump | InodeFlags.NoAtime;

    public static string MakeLine(ushort mode, uint links, uint uid, uint gid, uint device, InodeFlags flags, string target,
        IEnumerable<KeyValuePair<string, byte[]>> attributes)
    {
        string xattrs = string.Join(';', attributes.OrderBy(a => a.Key, StringComparer.Ordinal)
            .Select(a => $"{a.Key}={Convert.ToHexString(SHA1.HashData(a.Value).AsSpan(0, 4))}/{a.Value.Length}"));
        return $"{Convert.ToString(mode, 8)} n{links} {uid}:{gid} d{device} f{(uint)(flags & ComparedFlags):x} [{target}] {{{xattrs}}}";
    }

    public override string ToString() => Content is null ? Line : $"{Line} {Content.Length} bytes";
}
