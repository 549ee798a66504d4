using System.Security.Cryptography;
using System.Text;
using WinLoop.Storage;

namespace WinLoop.Images.Vmdk;

/// <summary>The content identifier (CID) of a disk. It changes with the first write after opening, so that disks that were
/// made on this one see that it is another one.</summary>
/// <param name="value">The identifier; null: it has none.</param>
/// <param name="file">The file that holds the descriptor.</param>
/// <param name="place">The first digit in it.</param>
/// <param name="digits">How many there are; 0: there is nothing to change.</param>
internal sealed class ContentId(uint? value, IBlockDevice file, long place, int digits)
{
    private bool _isNew;

    /// <summary>The identifier when the disk was opened.</summary>
    public uint? Value => value;

    /// <summary>Writes another identifier over the one that is there, with as many digits, so that nothing moves. The
    /// caller flushes the file. Torn between two sectors it is another identifier, too.</summary>
    public void Change()
    {
        if (_isNew || digits == 0)
        {
            return;
        }

        Span<byte> old = stackalloc byte[digits];
        file.Read(old, place);
        string id;
        do
        {
            // Not ffffffff, which stands for "no parent".
            id = RandomNumberGenerator.GetHexString(digits, lowercase: true);
        }
        while (Encoding.Latin1.GetBytes(id).AsSpan().SequenceEqual(old) || id[0] is '0' or 'f');

        file.Write(Encoding.Latin1.GetBytes(id), place, WriteTag.Metadata);
        _isNew = true;
    }
}
