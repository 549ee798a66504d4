using WinLoop.Storage;

namespace WinLoop.Service.Mounts;

/// <summary>Which file an open image is, as a text that another file never has.</summary>
internal static class ImageFingerprint
{
    internal static string Of(LoopDevice image) =>
        image.DescriptorPath is { } path ? Linux.LinuxFiles.FingerprintOf(path) : image.Identity.ToString();
}
