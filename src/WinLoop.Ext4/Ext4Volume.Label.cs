using System.Buffers;
using System.Text;
using System.Text.Unicode;
using WinLoop.Ext4.Journal;

namespace WinLoop.Ext4;

public sealed partial class Ext4Volume
{
    /// <summary>The longest label in bytes of UTF-8 (s_volume_name).</summary>
    public const int MaxLabelBytes = 16;

    /// <summary>The volume's label.</summary>
    public string Label
    {
        get
        {
            lock (Superblock)
            {
                return Superblock.Label;
            }
        }
    }

    /// <summary>Changes the label; it goes through the journal like any other metadata. The copies of the superblock
    /// keep the old one, as after tune2fs on a mounted volume.</summary>
    /// <exception cref="Ext4Exception">EINVAL: longer than 16 bytes, or with a NUL; EROFS.</exception>
    public void SetLabel(ReadOnlySpan<char> label)
    {
        try
        {
            RequireWritable();
            Span<byte> name = stackalloc byte[MaxLabelBytes];
            name.Clear();
            if (label.Contains('\0') || Utf8.FromUtf16(label, name, out _, out _, replaceInvalidSequences: false) != OperationStatus.Done)
            {
                throw new Ext4Exception(Errno.EINVAL, $"a label has at most {MaxLabelBytes} bytes of UTF-8");
            }
            using Handle handle = Journal.Start(2);
            lock (Superblock)
            {
                name.CopyTo(Superblock.VolumeName);
            }
            handle.JoinSuperblock();
        }
        catch (Exception e) when (OnFailure(e))
        {
            throw;
        }
    }
}
