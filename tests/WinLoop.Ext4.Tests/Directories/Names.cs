using System.Text;

namespace WinLoop.Ext4.Tests.Directories;

/// <summary>Names for tests of directories, and listings as sets of names.</summary>
internal static class Names
{
    private static readonly string[] s_letters =
        ["a", "b", "c", "x", "y", "Z", "0", "1", "7", ".", "_", " ", "ä", "é", "ß", "漢", "字", "é", "😀"];

    public static byte[] Bytes(string name) => Encoding.UTF8.GetBytes(name);

    /// <summary>1..255 bytes of UTF-8; mostly short.</summary>
    public static string Random(Random random)
    {
        int length = random.Next(4) == 0 ? random.Next(1, 256) : random.Next(4, 30);
        var name = new StringBuilder();
        for (int bytes = 0; ;)
        {
            string letter = s_letters[random.Next(s_letters.Length)];
            bytes += Encoding.UTF8.GetByteCount(letter);
            if (bytes > length)
            {
                break;
            }
            name.Append(letter);
        }
        return name.ToString() is var text && text.Trim('.').Length > 0 ? text : "n" + random.Next();
    }

    /// <summary>Lists a directory in steps of some names each, sorted; no name may come twice.</summary>
    public static SortedSet<string> List(Ext4Volume volume, Inode directory, int step)
    {
        var names = new SortedSet<string>(StringComparer.Ordinal);
        ulong position = 0;
        while (true)
        {
            int taken = 0;
            ulong started = position;
            volume.ReadDirectory(directory, position, (name, _, _, next) =>
            {
                if (taken == step)
                {
                    return false;
                }
                taken++;
                Assert.True(names.Add(Encoding.UTF8.GetString(name)), "a name came twice");
                Assert.True(next is > 0 and < 1ul << 63);
                position = next;
                return true;
            });
            if (taken == 0)
            {
                break;
            }
            Assert.True(position > started);
        }
        Assert.True(names.Remove(".") && names.Remove(".."));
        return names;
    }
}
