namespace WinLoop.Mounting.Linux;

/// <summary>The kernel's loop devices, as sysfs shows them.</summary>
public static class LoopDevices
{
    /// <summary>Waits, a second at most, until an autoclear device has let go of an image. The kernel does that a moment
    /// after the mount's end, and until then the image counts as in use.</summary>
    /// <param name="device">For example <c>/dev/loop3</c>; anything else is no loop device, and nothing to wait for.</param>
    /// <param name="image">Absolute path of the image, symlinks resolved.</param>
    public static void WaitForDetach(string device, string image)
    {
        string attribute = $"/sys/block/{Path.GetFileName(device)}/loop/backing_file";
        for (int i = 0; i < 500 && IsAttached(attribute, image); i++)
        {
            Thread.Sleep(2);
        }
    }

    private static bool IsAttached(string attribute, string image)
    {
        try
        {
            return File.ReadAllText(attribute).TrimEnd('\n') == image;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
