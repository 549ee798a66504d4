using System.Runtime.InteropServices;
using WinLoop.Ext4;
using WinLoop.Ext4.Create;
using WinLoop.Ext4.Format;
using WinLoop.Storage;

namespace WinLoop.Mounting;

/// <summary>What to make.</summary>
/// <param name="Image">Path of the file.</param>
/// <param name="Size">Its size in bytes.</param>
/// <param name="Force">Replace a file that exists.</param>
/// <param name="Options">The file system.</param>
public sealed record CreateRequest(string Image, long Size, bool Force, Ext4CreateOptions Options);

/// <summary>What was made.</summary>
public sealed record CreatedImage(int BlockSize, ulong Blocks, uint Inodes, int InodeSize, long JournalBytes, string Label, string Uuid);

/// <summary>Makes image files: sparse, and whole or not at all.</summary>
public static class ImageCreator
{
    /// <summary>Makes the image under another name first, and gives it its own when all of it is written.</summary>
    /// <exception cref="MountException">There is no new file; one that was there is as it was.</exception>
    public static CreatedImage Create(CreateRequest request)
    {
        string what = $"cannot create {request.Image}";
        string target = FileDraft.CheckTarget(request.Image, request.Force, what);
        try
        {
            using var draft = new FileDraft(target, request.Force);
            using (FileStream file = new(draft.Path, FileMode.Open, FileAccess.ReadWrite))
            {
                file.SetLength(request.Size);
            }
            CreatedImage made;
            try
            {
                using LoopDevice device = LoopDevice.Open(draft.Path);
                Ext4Creator.Create(device, request.Options with { IsZeroed = true });
                made = Describe(SuperblockReader.Read(device), device);
                device.Flush();
            }
            catch (BlockDeviceException e)
            {
                throw draft.Rename(e);
            }
            draft.Finish();
            return made;
        }
        catch (Ext4Exception e)
        {
            throw new MountException(MountError.Usage, what, e.Message, "See 'winloop create --help'.", e);
        }
        catch (Exception e)
        {
            throw Failures.Explain(e, what);
        }
    }

    private static CreatedImage Describe(Superblock superblock, IBlockDevice device)
    {
        Geometry geometry = Geometry.Create(superblock, device.Length);
        long journal = 0;
        if (superblock.Has(CompatFeatures.HasJournal))
        {
            // s_jnl_blocks ends with the journal inode's i_size, high half first.
            ReadOnlySpan<byte> size = superblock.JournalBlocks[60..];
            journal = (long)(((ulong)MemoryMarshal.Read<uint>(size) << 32) | MemoryMarshal.Read<uint>(size[4..]));
        }
        return new CreatedImage(geometry.BlockSize, geometry.BlocksCount, geometry.InodesCount, geometry.InodeSize, journal,
            superblock.Label, new Guid(superblock.Uuid, bigEndian: true).ToString());
    }
}
