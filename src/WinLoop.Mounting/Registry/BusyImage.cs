using WinLoop.Mounting.Linux;

namespace WinLoop.Mounting.Registry;

/// <summary>Says which mount holds an image: the device knows that it is locked, the registry by which mount.</summary>
public static class BusyImage
{
    /// <summary>A failure in the words of who holds the image, if it is that the image is in use and a mount of ours holds it;
    /// else the failure as it is.</summary>
    /// <param name="failure">What opening the image ended with.</param>
    /// <param name="image">As it was named.</param>
    /// <param name="what">What was tried, for the message.</param>
    public static MountException NameHolder(MountException failure, string image, string what)
    {
        if (failure.Error != MountError.Busy)
        {
            return failure;
        }
        string path = HostPath.Resolve(image);
        if (MountRegistry.ListAll().FirstOrDefault(m => m.Record.Image == path) is not { } mount)
        {
            return failure;
        }
        string directory = mount.Record.Directory;
        return mount.State == MountState.Dead
            ? new MountException(MountError.Busy, what, $"a mount on {directory} whose serving process has died still holds it",
                $"Undo that mount with 'winloop unmount {directory}'.", failure)
            : new MountException(MountError.Busy, what, $"it is mounted on {directory}",
                $"Use it there, or undo that mount with 'winloop unmount {directory}'.", failure);
    }
}
