using WinLoop.Ext4;
using WinLoop.Storage;

namespace WinLoop.CrashTests;

/// <summary>What a run begins with: an image after some operations, unmounted, or as a crash has left it.</summary>
internal sealed class FaultStart
{
    // With what a file holds afterwards: each run would have to work that out again.
    private readonly List<(string Operation, Outcome Outcome, byte[]? Content)> _before = [];

    /// <param name="image">The image.</param>
    /// <param name="before">Operations to do first.</param>
    /// <param name="isCrashed">They end with a sync and their journal has still to be replayed.</param>
    public FaultStart(CrashImage image, IEnumerable<string> before, bool isCrashed)
    {
        Image = image;
        using var clock = new TestClock(TestClock.Start - 100);
        var device = new MemoryDevice(image.Bytes);
        Bytes = new byte[device.Length];
        using (Ext4Volume volume = Ext4Volume.Mount(device, image.Options()))
        using (var driver = new EngineDriver(volume))
        {
            var model = new History().Model;
            foreach (string operation in before)
            {
                Outcome outcome = Operations.Do(driver, operation);
                Operations.Note(model, operation, outcome);
                bool changesContent = Operations.IsContent(operation) && (outcome.Error == 0 || outcome.Content is not null);
                _before.Add((operation, outcome, changesContent ? model.Find(operation.Split(' ')[1]).Content : null));
            }
            device.Read(Bytes, 0);
        }
        if (!isCrashed)
        {
            device.Read(Bytes, 0);
        }
        Device = new MemoryDevice(Bytes);
    }

    /// <summary>An image as it was made.</summary>
    public FaultStart(CrashImage image)
    {
        Image = image;
        Bytes = image.Bytes;
        Device = new MemoryDevice(Bytes);
    }

    public CrashImage Image { get; }

    public byte[] Bytes { get; }

    /// <summary>The same, to lay an overlay on.</summary>
    public IBlockDevice Device { get; }

    /// <summary>Tells a model what was done before.</summary>
    public void Note(CrashModel model)
    {
        foreach ((string operation, Outcome outcome, byte[]? content) in _before)
        {
            if (content is not null)
            {
                model.SetContent(operation.Split(' ')[1], content);
            }
            else
            {
                Operations.Note(model, operation, outcome);
            }
        }
    }
}
