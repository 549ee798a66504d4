using System.Buffers;
using System.Text;
using DiscUtils.Streams;
using WinLoop.Ext4;
using WinLoop.Ext4.Format;
using WinLoop.Mounting.Files;

namespace WinLoop.DiscUtils;

// Copies of files inside the volume.
public sealed partial class Ext4FileSystem
{
    private const int CopyBuffer = 1 << 20;
    private const ushort CopiedPermissions = 0x1FF;

    /// <summary>Copies a file's content with its holes, its permissions without set-id bits, its <c>user.*</c> attributes
    /// and the time of its last write. Links are followed. Owners, ACLs and other attributes are not copied.</summary>
    /// <remarks>The copy is made under another name and takes its own when it is whole.</remarks>
    /// <exception cref="FileNotFoundException">The source does not exist.</exception>
    /// <exception cref="DirectoryNotFoundException">There is no directory to hold the destination.</exception>
    /// <exception cref="IOException">The destination exists and may not be overwritten, is the source itself, or the
    /// volume is full.</exception>
    /// <exception cref="UnauthorizedAccessException">One of them is a directory, or the volume is read-only.</exception>
    public override void CopyFile(string sourceFile, string destinationFile, bool overwrite)
    {
        using Place source = Find(sourceFile, followLast: true);
        RequireFile(source.Inode!, sourceFile);
        RequireWritable(destinationFile);
        using Place destination = WalkTo(destinationFile, followLast: true);
        if (destination.Inode is { } existing)
        {
            RequireFile(existing, destinationFile);
            if (!overwrite || ReferenceEquals(existing, source.Inode))
            {
                throw new IOException(overwrite ? $"'{destinationFile}' is '{sourceFile}' itself." : $"'{destinationFile}' exists already.");
            }
        }
        byte[] temporary = FileNode.TemporaryName();
        Change(destinationFile, () =>
        {
            Inode copy = _volume.Create(destination.Directory, temporary, NewFileMode, 0, _options.Caller);
            bool isNamed = false;
            try
            {
                CopyContent(source.Inode!, copy);
                CopyFacts(source.Inode!, copy);
                _volume.Rename(destination.Directory, temporary, destination.Directory, destination.Name,
                    overwrite ? RenameFlags.None : RenameFlags.NoReplace, _options.Caller);
                isNamed = true;
            }
            finally
            {
                _volume.OnLastClose(copy);
                _volume.Release(copy);
                if (!isNamed)
                {
                    DropUnfinished(destination.Directory, temporary);
                }
            }
        });
    }

    private void CopyContent(Inode source, Inode copy)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(CopyBuffer);
        try
        {
            foreach (StreamExtent extent in FileExtents.Of(_volume, source, 0, long.MaxValue))
            {
                long offset = extent.Start, end = extent.Start + extent.Length;
                while (offset < end)
                {
                    int count = _volume.Read(source, buffer.AsSpan(0, (int)Math.Min(buffer.Length, end - offset)), offset);
                    if (count == 0)
                    {
                        break; // Truncated meanwhile.
                    }
                    Ext4FileStream.WriteAll(_volume, copy, buffer.AsSpan(0, count), offset, _options.Caller);
                    offset += count;
                }
            }
            if (copy.Size < source.Size)
            {
                _volume.SetAttributes(copy, new AttributeChanges { Size = source.Size }, _options.Caller);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private void CopyFacts(Inode source, Inode copy)
    {
        int length = _volume.HasExtendedAttributes(source) ? _volume.ListExtendedAttributes(source, default) : 0;
        byte[] names = new byte[length];
        length = length == 0 ? 0 : _volume.ListExtendedAttributes(source, names);
        foreach (Range range in names.AsSpan(0, length).Split((byte)0))
        {
            ReadOnlySpan<byte> name = names.AsSpan(0, length)[range];
            if (name.StartsWith("user."u8))
            {
                int size = _volume.GetExtendedAttribute(source, name, default);
                byte[] value = new byte[Math.Max(0, size)];
                if (size >= 0 && (size == 0 || _volume.GetExtendedAttribute(source, name, value) == size))
                {
                    _volume.SetExtendedAttribute(copy, name, value, AttributeSetMode.CreateOrReplace);
                }
            }
        }
        Ext4.FileAttributes facts = _volume.GetAttributes(source);
        _volume.SetAttributes(copy, new AttributeChanges
        {
            Mode = (ushort)(facts.Mode & CopiedPermissions),
            ModifyTime = facts.ModifyTime,
            HasGivenTimes = true,
        }, _options.Caller);
    }

    private void DropUnfinished(Inode directory, ReadOnlySpan<byte> name)
    {
        try
        {
            _volume.Unlink(directory, name);
        }
        catch (IOException)
        {
            // The failure that broke the copy off is the one to tell; if the volume stopped writing, e2fsck and the
            // name say what this is.
        }
    }

    private static void RequireFile(Inode inode, string path)
    {
        if (inode.IsDirectory)
        {
            throw new UnauthorizedAccessException($"'{path}' is a directory.");
        }
        if (!inode.IsRegular)
        {
            throw new IOException($"'{path}' is a device, a FIFO or a socket, which has no content here.");
        }
    }
}
