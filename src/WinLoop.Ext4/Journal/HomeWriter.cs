using WinLoop.Storage;

namespace WinLoop.Ext4.Journal;

/// <summary>Writes images to their home locations, neighbours in one request.</summary>
internal static class HomeWriter
{
    /// <summary>Writes the stream's images; both lists are sorted by block.</summary>
    public static void Write(IBlockDevice device, CommitStream stream, List<LoggedBlock> images, int blockSizeBits)
    {
        for (int i = 0; i < images.Count;)
        {
            int run = 1;
            while (i + run < images.Count && images[i + run].Block == images[i].Block + (ulong)run &&
                   images[i + run].StreamIndex == images[i].StreamIndex + run && run < 1024)
            {
                run++;
            }
            device.Write(stream.Range(images[i].StreamIndex, run), (long)(images[i].Block << blockSizeBits), WriteTag.Metadata);
            i += run;
        }
    }
}
