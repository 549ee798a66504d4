using System.Runtime.InteropServices;
using WinLoop.Ext4;
using WinLoop.Ext4.Create;
using WinLoop.Ext4.Format;
using WinLoop.Mounting.Linux;
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
        string target = CheckTarget(request, what);
        string draft = Path.Combine(Path.GetDirectoryName(target)!, $".{Path.GetFileName(target)}.{Guid.NewGuid():N}.new");
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => GiveUp(context, draft));
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => GiveUp(context, draft));
        try
        {
            using (FileStream file = new(draft, FileMode.CreateNew, FileAccess.ReadWrite))
            {
                file.SetLength(request.Size);
            }
            CreatedImage made;
            using (LoopDevice device = LoopDevice.Open(draft))
            {
                Ext4Creator.Create(device, request.Options with { IsZeroed = true });
                made = Describe(SuperblockReader.Read(device), device);
                device.Flush();
            }
            File.Move(draft, target, overwrite: request.Force);
            return made;
        }
        catch (Ext4Exception e)
        {
            File.Delete(draft);
            throw new MountException(MountError.Usage, what, e.Message, "See 'winloop create --help'.", e);
        }
        catch (Exception e)
        {
            File.Delete(draft);
            throw Failures.Explain(e, what);
        }
    }

    private static string CheckTarget(CreateRequest request, string what)
    {
        string target = HostPath.Resolve(request.Image);
        if (!System.IO.Directory.Exists(Path.GetDirectoryName(target)))
        {
            throw new MountException(MountError.NotFound, what, $"there is no directory {Path.GetDirectoryName(target)}", "Make it first.");
        }
        if (System.IO.Directory.Exists(target))
        {
            throw new MountException(MountError.Usage, what, "it is a directory", "Give the name of a file to make.");
        }
        if (!File.Exists(target))
        {
            return target;
        }
        if (!request.Force)
        {
            throw new MountException(MountError.Failed, what, "the file exists", "Replace it with --force, or give another name.");
        }
        if (OperatingSystem.IsLinux() && FileStatus.Of(target) is not { IsRegularFile: true })
        {
            throw new MountException(MountError.Unsupported, what, "it is not a regular file", "Make a file system on a device with mkfs.ext4.");
        }
        RequireUnused(target, what);
        return target;
    }

    // Replacing a mounted image would leave the mount with a file that has no name.
    private static void RequireUnused(string target, string what)
    {
        try
        {
            LoopDevice.Open(target).Dispose();
        }
        catch (BlockDeviceException e) when (e.Error == BlockDeviceError.Busy)
        {
            throw Failures.Explain(e, what);
        }
    }

    private static void GiveUp(PosixSignalContext context, string draft)
    {
        context.Cancel = true;
        File.Delete(draft);
        Environment.Exit((int)MountError.Interrupted);
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
