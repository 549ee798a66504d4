using System.Collections.Concurrent;
using WinLoop.Ext4;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.CrashTests;

/// <summary>Many programs wait for one commit, and it fails: each of them is told.</summary>
public sealed class FaultThreadTests
{
    private const int Threads = 6, FilesPerThread = 8, Length = 1500;

    private sealed record Answer(string Name, bool StartedAfterStop, bool Succeeded);

    [Fact]
    public void Everybody_who_waits_for_a_commit_that_fails_is_told()
    {
        Shell.Require("mkfs.ext4", "dumpe2fs", "e2fsck");
        CrashImage image = CrashImage.Get("1k");
        int shared = 0;
        for (long first = 1; first <= 14; first++)
        {
            using var recorder = new RecordingDevice(new MemoryDevice(image.Bytes));
            var faulty = new FaultDevice(recorder);
            // Slow enough that others come to wait.
            faulty.Add(new FaultRule { Operations = DeviceOperations.Flush, First = first, Delay = TimeSpan.FromMilliseconds(60), Error = BlockDeviceError.Io });
            var answers = new ConcurrentBag<Answer>();
            using (Ext4Volume volume = Ext4Volume.Mount(faulty, image.Options()))
            {
                Thread[] threads = [.. Enumerable.Range(0, Threads).Select(number => new Thread(() => Work(volume, number, answers)))];
                Array.ForEach(threads, thread => thread.Start());
                Array.ForEach(threads, thread => thread.Join());
                Assert.True(volume.IsReadOnly, $"flush {first} failed and the volume is writable");
            }
            Answer? late = answers.FirstOrDefault(a => a.StartedAfterStop && a.Succeeded);
            Assert.True(late is null, $"flush {first}: fsync of {late?.Name} began after the volume had stopped writing and succeeded");
            shared += answers.Count(a => !a.Succeeded && !a.StartedAfterStop) > 1 ? 1 : 0;
            JudgeWhatIsDurable(image, recorder, answers, first);
        }
        Assert.True(shared > 0, "no failed commit was ever waited for by two");
    }

    private static void Work(Ext4Volume volume, int thread, ConcurrentBag<Answer> answers)
    {
        for (int i = 0; i < FilesPerThread; i++)
        {
            string name = $"t{thread}-{i}";
            bool stopped = volume.IsReadOnly, succeeded = false;
            try
            {
                Inode root = volume.GetInode(Ext4Volume.RootInode);
                Inode file = volume.Create(root, EngineDriver.Bytes(name), 0x81A4, 0, Caller.Root);
                volume.Write(file, Content.Of(thread + 1, Length), 0, Caller.Root);
                stopped = volume.IsReadOnly;
                volume.Synchronize(file, dataOnly: false);
                succeeded = true;
            }
            catch (Exception e) when (FaultRun.IsHonest(e))
            {
                // Told.
            }
            answers.Add(new Answer(name, stopped, succeeded));
        }
    }

    // Power cut: only what a flush that succeeded has made certain.
    private static void JudgeWhatIsDurable(CrashImage image, RecordingDevice recorder, IEnumerable<Answer> answers, long first)
    {
        RecordedOperation[] log = recorder.GetLog();
        (List<RecordedOperation> durable, _) = RecordingDevice.Cut(log, log.Length);
        OverlayDevice device = RecordingDevice.Replay(new MemoryDevice(image.Bytes), durable);
        using Ext4Volume volume = Ext4Volume.Mount(device, image.Options() with { IsReadOnly = true });
        using var driver = new EngineDriver(volume);
        foreach (Answer answer in answers.Where(a => a.Succeeded))
        {
            byte[] expected = Content.Of(int.Parse(answer.Name[1..answer.Name.IndexOf('-', StringComparison.Ordinal)]) + 1, Length);
            Assert.True(driver.ReadAll(answer.Name).AsSpan().SequenceEqual(expected), $"flush {first}: fsync of {answer.Name} succeeded, and it is not there");
        }
    }
}
