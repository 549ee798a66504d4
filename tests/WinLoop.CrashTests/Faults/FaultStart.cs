using WinLoop.Ext4;
using WinLoop.Storage;

namespace WinLoop.CrashTests;

/// <summary>What a run begins with: an image as it was made, or as a mount left it that was never ended.</summary>
internal sealed class FaultStart
{
    private readonly string[] _before;

    /// <param name="image">The image.</param>
    /// <param name="before">Operations whose journal has still to be replayed; the last of them is a sync.</param>
    public FaultStart(CrashImage image, params string[] before)
    {
        Image = image;
        _before = before;
        Bytes = before.Length == 0 ? image.Bytes : Leave(image, before);
    }

    public CrashImage Image { get; }

    public byte[] Bytes { get; }

    /// <summary>Tells a model what was done before.</summary>
    public void Note(CrashModel model)
    {
        foreach (string operation in _before)
        {
            Operations.Note(model, operation, new Outcome(0, FaultRun.Intended(operation)));
        }
    }

    private static byte[] Leave(CrashImage image, string[] before)
    {
        using var clock = new TestClock(TestClock.Start - 100);
        var device = new MemoryDevice(image.Bytes);
        byte[] bytes = new byte[device.Length];
        using Ext4Volume volume = Ext4Volume.Mount(device, image.Options());
        using var driver = new EngineDriver(volume);
        foreach (string operation in before)
        {
            Assert.Equal(0, Operations.Do(driver, operation).Error);
        }
        device.Read(bytes, 0); // before the unmount
        return bytes;
    }
}
