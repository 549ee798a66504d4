using WinLoop.Images;
using WinLoop.Mounting.Registry;
using WinLoop.Storage;

namespace WinLoop.Mounting.Conversion;

/// <summary>What to convert.</summary>
/// <param name="Source">The image file or block device.</param>
/// <param name="Target">The file to make; it may be the source.</param>
/// <param name="Format">Of the target.</param>
/// <param name="Force">Replace a file that exists.</param>
public sealed record ConvertRequest(string Source, string Target, TargetFormat Format, bool Force);

/// <summary>What was converted.</summary>
/// <param name="SourceFormat">The source's container; null if it is raw.</param>
/// <param name="Size">Bytes of the disk.</param>
/// <param name="Copied">Bytes that were written; the rest are zeroes.</param>
/// <param name="FileSize">Bytes of the new file, holes included.</param>
public sealed record ConvertedImage(string? SourceFormat, long Size, long Copied, long FileSize);

/// <summary>Copies the disk in an image into a new image of any format that can be written; zeroes stay holes. The
/// partition table, if there is one, comes with it.</summary>
public static class ImageConverter
{
    private const int PieceSize = 4 << 20;
    // What is zero in pieces of this size is not written: the clusters of the formats, and pages of files.
    private const int ZeroSize = 64 << 10;

    /// <summary>Converts. The new file is made under another name and gets its own when all of it is durable.</summary>
    /// <param name="request">What.</param>
    /// <param name="notes">Gets sentences for the user.</param>
    /// <param name="progress">Told bytes done and bytes of the disk, from time to time.</param>
    /// <exception cref="MountException">There is no new file; one that was there is as it was.</exception>
    public static ConvertedImage Convert(ConvertRequest request, ICollection<string> notes, Action<long, long>? progress = null)
    {
        string what = $"cannot convert {request.Source}";
        string target = FileDraft.CheckTarget(request.Target, request.Force, $"cannot make {request.Target}");
        try
        {
            using var draft = new FileDraft(target, request.Force);
            ConvertedImage done;
            using (IBlockDevice source = OpenSource(request.Source, notes, what, out string? format))
            {
                done = Copy(source, draft, request.Format, what, progress) with { SourceFormat = format };
            }
            draft.Finish();
            return done;
        }
        catch (Exception e)
        {
            throw BusyImage.NameHolder(Failures.Explain(e, what), request.Source, what);
        }
    }

    private static IBlockDevice OpenSource(string path, ICollection<string> notes, string what, out string? format)
    {
        string real = ImageOpener.Check(path, what);
        LoopDevice file = LoopDevice.Open(real, new LoopDeviceOptions { IsReadOnly = true, IsExact = true });
        try
        {
            format = null;
            // A raw file is copied to its last byte, and not only its whole sectors.
            return file.Identity.IsBlockDevice || ImageFormats.Find(file) is null ? file
                : DiskOpener.Open(file, new MountOptions { IsReadOnly = true }, Path.GetDirectoryName(real), what, notes, out format);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static ConvertedImage Copy(IBlockDevice source, FileDraft draft, TargetFormat format, string what, Action<long, long>? progress)
    {
        LoopDevice file = LoopDevice.Open(draft.Path, new LoopDeviceOptions { IsExact = true });
        IBlockDevice disk = file;
        try
        {
            long size = format == TargetFormat.Raw ? source.Length : (source.Length + 511) / 512 * 512;
            disk = format.Make(file, size);
            long copied = Copy(source, disk, progress);
            disk.Flush();
            return new ConvertedImage(null, size, copied, file.Length);
        }
        catch (BlockDeviceException e) when (e.Message.Contains(draft.Path, StringComparison.Ordinal))
        {
            throw draft.Rename(e);
        }
        catch (ArgumentException e)
        {
            throw new MountException(MountError.Unsupported, what, $"a {format.Title} image has no disk of {source.Length} bytes", "Choose another format.", e);
        }
        finally
        {
            disk.Dispose();
        }
    }

    /// <summary>Copies what is not zero into a device of zeroes.</summary>
    /// <returns>Bytes written.</returns>
    internal static long Copy(IBlockDevice source, IBlockDevice target, Action<long, long>? progress)
    {
        byte[] buffer = new byte[PieceSize];
        long at = 0, copied = 0, length = source.Length;
        while (at < length)
        {
            progress?.Invoke(at, length);
            long hole = source.ZeroRun(at, length - at);
            if (hole > 0)
            {
                at += hole;
                continue;
            }
            int piece = (int)Math.Min(PieceSize - (at % PieceSize), length - at);
            source.Read(buffer.AsSpan(0, piece), at);
            copied += WriteData(target, buffer.AsSpan(0, piece), at);
            at += piece;
        }
        progress?.Invoke(length, length);
        return copied;
    }

    private static long WriteData(IBlockDevice target, ReadOnlySpan<byte> buffer, long offset)
    {
        long written = 0;
        int at = 0;
        while (at < buffer.Length)
        {
            int end = at;
            while (end < buffer.Length && Part(buffer, end, offset).ContainsAnyExcept((byte)0))
            {
                end += Part(buffer, end, offset).Length;
            }
            if (end > at)
            {
                target.Write(buffer[at..end], offset + at);
                written += end - at;
                at = end;
            }
            else
            {
                at += Part(buffer, at, offset).Length;
            }
        }
        return written;
    }

    // From a position of the buffer to the next border of the disk.
    private static ReadOnlySpan<byte> Part(ReadOnlySpan<byte> buffer, int at, long offset) =>
        buffer.Slice(at, (int)Math.Min(buffer.Length - at, ZeroSize - ((offset + at) % ZeroSize)));
}
