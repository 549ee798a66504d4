namespace WinLoop.DiscUtils;

/// <summary>
/// What makes the writes of a stream durable. <see cref="Stream.Flush"/> alone promises nothing: of a file it empties a
/// buffer of the process, and of most disk formats of DiscUtils it does nothing at all.
/// </summary>
public static class StreamBarrier
{
    /// <summary>The barrier of a stream whose kind is known: a file (flushed to its disk), memory (there is nothing that
    /// could outlive it), and the streams of this library.</summary>
    /// <returns>Null for every other stream, and for one that cannot be written.</returns>
    public static Action? Find(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        return stream switch
        {
            { CanWrite: false } => null,
            FileStream file => () => file.Flush(flushToDisk: true),
            MemoryStream => static () => { },
            BlockDeviceStream device => device.Flush,
            Ext4FileStream file => file.Flush,
            _ => null,
        };
    }

    /// <summary>The barrier of a disk format over files: first the format's own flush, then every file below it is
    /// flushed to its disk.</summary>
    /// <param name="content">The disk's content, for example <c>VirtualDisk.Content</c>.</param>
    /// <param name="files">All files that the format writes to.</param>
    /// <remarks>It is as good as the format: one that writes its tables in place, as the VHDX of DiscUtils does, can be
    /// broken by a power loss whatever is flushed.</remarks>
    public static Action Of(Stream content, params FileStream[] files)
    {
        ArgumentNullException.ThrowIfNull(content);
        ArgumentNullException.ThrowIfNull(files);
        return () =>
        {
            content.Flush();
            foreach (FileStream file in files)
            {
                file.Flush(flushToDisk: true);
            }
        };
    }
}
