using System.Security.Cryptography;
using System.Text;
using WinLoop.Ext4.Format;
using WinLoop.Storage;

namespace WinLoop.Ext4.Tests.Resize;

/// <summary>One hash of all that the files of a volume are: names, attributes, times and content, but not inode numbers.</summary>
internal static class TreeDigest
{
    /// <summary>Reads all of the volume; the journal is replayed in memory.</summary>
    public static string Of(IBlockDevice image)
    {
        using Ext4Volume volume = Ext4Volume.Mount(new OverlayDevice(image), new Ext4MountOptions { IsReadOnly = true });
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Add(volume, hash, Ext4Volume.RootInode, "", new byte[1 << 20]);
        return Convert.ToHexString(hash.GetHashAndReset());
    }

    private static void Add(Ext4Volume volume, IncrementalHash hash, uint number, string path, byte[] buffer)
    {
        Inode inode = volume.GetInode(number);
        FileAttributes a = volume.GetAttributes(inode);
        hash.AppendData(Encoding.UTF8.GetBytes($"{path} {a.Mode} {a.Links} {a.Uid} {a.Gid} {a.Size} {a.Device} {a.ModifyTime} {a.ChangeTime} {a.BirthTime}\n"));
        int length = volume.ListExtendedAttributes(inode, buffer);
        foreach (string name in Encoding.UTF8.GetString(buffer, 0, length).Split('\0', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal))
        {
            length = volume.GetExtendedAttribute(inode, Encoding.UTF8.GetBytes(name), buffer);
            hash.AppendData(Encoding.UTF8.GetBytes(name));
            hash.AppendData(buffer, 0, length);
        }
        if (inode.IsSymlink)
        {
            hash.AppendData(buffer, 0, volume.ReadLink(inode, buffer));
        }
        else if (inode.IsRegular)
        {
            int count;
            for (long at = 0; (count = volume.Read(inode, buffer, at)) > 0; at += count)
            {
                hash.AppendData(buffer, 0, count);
            }
        }
        else if (inode.IsDirectory)
        {
            var entries = new SortedDictionary<string, uint>(StringComparer.Ordinal);
            volume.ReadDirectory(inode, 0, (name, child, _, _) => entries.TryAdd(Encoding.Latin1.GetString(name), child));
            if (entries["."] != number)
            {
                throw new InvalidDataException($"{path}/. is inode {entries["."]}");
            }
            foreach ((string name, uint child) in entries.Where(e => e.Key is not ("." or "..")))
            {
                Add(volume, hash, child, $"{path}/{name}", buffer);
            }
        }
        volume.Release(inode);
    }
}
