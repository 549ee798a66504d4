using System.Diagnostics;
using WinLoop.Mounting.Windows;
using WinLoop.Storage;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>Every operation on an image that fails under it, with nothing cached: a status within seconds, no hang, and an
/// unmount that ends. What was on the image before is there afterwards.</summary>
public sealed class FailingImageTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>How the image fails.</summary>
    public enum Fault
    {
        /// <summary>The stick is pulled.</summary>
        Gone,
        /// <summary>Nothing can be read any more; writing works.</summary>
        Reads,
        /// <summary>Nothing can be written any more; reading works.</summary>
        Writes,
        /// <summary>Reads give zeroes and no error.</summary>
        Zeroes,
    }

    public static TheoryData<HostKind, Fault> Cases
    {
        get
        {
            var cases = new TheoryData<HostKind, Fault>();
            foreach (HostKind kind in Enum.GetValues<HostKind>())
            {
                foreach (Fault fault in Enum.GetValues<Fault>())
                {
                    cases.Add(kind, fault);
                }
            }
            return cases;
        }
    }

    // What changes the volume has to fail by itself or at the flush behind it; what reads, by itself.
    private static readonly (string Name, bool Changes, Action<StandInClient> Do)[] s_operations =
    [
        ("open", false, c => c.Create(@"\dir\file", Access.Read, Disposition.Open).Dispose()),
        ("open what is not there", false, c => NotFound(c.CreateStatus(@"\dir\none", Access.Read))),
        ("read", false, c => c.ReadAll(@"\dir\file")),
        ("read uncached", false, c => Use(c, @"\dir\file", f => f.Read(65536, 4096), Options.NoBuffering)),
        ("list", false, c => c.List(@"\dir")),
        ("list one name", false, c => c.List(@"\dir", "name 7")),
        ("follow a link", false, c => c.ReadAll(@"\link\file")),
        ("read a link", false, c => Use(c, @"\long", f => f.GetReparsePoint().Status.ThrowIfFailed("reparse"), Options.OpenReparsePoint)),
        ("streams", false, c => Use(c, @"\dir\file", f => f.GetStreams())),
        ("read a stream", false, c => c.ReadAll(@"\dir\file:stream")),
        ("read EAs", false, c => Use(c, @"\dir\file", f => f.GetEa())),
        ("read security", false, c => Use(c, @"\dir\file", f => f.GetSecurity(Descriptor.All))),
        ("create", true, c => c.Create(@"\dir\new", disposition: Disposition.Create).Dispose()),
        ("create a directory", true, c => c.MakeDirectory(@"\dir\new")),
        ("write", true, c => Use(c, @"\dir\file", f => f.Write(5000, new byte[100_000]))),
        ("append", true, c => Use(c, @"\dir\file", f => f.Write(0, new byte[512], append: true), Options.NoBuffering)),
        ("overwrite", true, c => c.WriteAll(@"\dir\file", "new"u8)),
        ("grow", true, c => Use(c, @"\dir\file", f => f.SetEnd(2 << 20).ThrowIfFailed("grow"))),
        ("cut", true, c => Use(c, @"\dir\file", f => f.SetEnd(100).ThrowIfFailed("cut"))),
        ("reserve", true, c => Use(c, @"\dir\file", f => f.SetAllocation(2 << 20).ThrowIfFailed("reserve"))),
        ("set times", true, c => Use(c, @"\dir\file", f => f.SetBasic(write: 130_000_000_000_000_000).ThrowIfFailed("times"))),
        ("set attributes", true, c => Use(c, @"\dir\file", f => f.SetBasic(attributes: 0x26).ThrowIfFailed("attributes"))),
        ("write a stream", true, c => c.WriteAll(@"\dir\file:stream", "changed"u8)),
        ("rename a stream", true, c => c.Rename(@"\dir\file:stream", @"\dir\file:renamed")),
        ("set EAs", true, c => Use(c, @"\dir\file", f => f.SetEa(new EaBuffer().Add("A", "x"u8).ToArray()).ThrowIfFailed("EA"))),
        ("set WSL's owner", true, c => Use(c, @"\dir\file", f => f.SetEa(new EaBuffer().Add("$LXUID", 5u).ToArray()).ThrowIfFailed("EA"))),
        ("make a link", true, c => Use(c, @"\dir\empty", f => f.SetReparsePoint(ReparseBuffer.MakeSymlink("x")).ThrowIfFailed("reparse"))),
        ("make a link a file", true, c => Use(c, @"\long", f => f.DeleteReparsePoint(ReparseBuffer.Make(ReparseBuffer.Symlink)).ThrowIfFailed("reparse"), Options.OpenReparsePoint)),
        ("rename", true, c => c.Rename(@"\dir\name 7", @"\dir\other")),
        ("move", true, c => c.Rename(@"\dir\name 7", @"\dir\sub\other")),
        ("replace", true, c => c.Rename(@"\dir\name 7", @"\dir\name 8")),
        ("delete", true, c => c.Delete(@"\dir\name 7")),
        ("delete a directory", true, c => c.Delete(@"\dir\sub")),
        ("label", true, c => c.SetLabel("other").ThrowIfFailed("label")),
    ];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Each_operation_ends_with_a_status(HostKind kind, Fault fault)
    {
        using TestKit.TestImage prepared = TestKit.TestImage.Make(12, "-b 1024");
        prepared.WithKernel("""
            cd $M; mkdir -p dir/sub; for i in $(seq 300); do echo $i > "dir/name $i"; done; head -c 1000000 /dev/urandom > dir/file; touch dir/empty; ln -s dir link
            ln -s $(printf 'x%.0s' $(seq 200)) long; setfattr -n user.a -v $(printf 'y%.0s' $(seq 200)) dir/file; setfattr -n 'user.DosStream.stream:$DATA' -v 0x6100 dir/file
            """);
        string before = Describe(prepared);
        int failed = 0;
        foreach ((string name, bool changes, Action<StandInClient> operation) in s_operations)
        {
            using TestKit.TestImage image = prepared.Copy();
            var mount = new HostMount(kind, image: image);
            switch (fault)
            {
                case Fault.Gone:
                    mount.Device.IsGone = true;
                    break;
                case Fault.Reads:
                    mount.Device.Fail(DeviceOperations.Read);
                    break;
                case Fault.Writes:
                    mount.Device.Fail(DeviceOperations.Changes | DeviceOperations.Flush);
                    break;
                default:
                    mount.Device.Add(new FaultRule { Operations = DeviceOperations.Read, Corrupt = (bytes, _) => bytes.Clear() });
                    break;
            }
            NtStatus? status = null;
            var watch = Stopwatch.StartNew();
            Assert.True(InTime(() => status = StatusOf(() => operation(mount.Client))), $"{name}: hangs");
            Assert.True(InTime(() => status = changes && status is null ? StatusOf(() => mount.Client.FlushVolume().ThrowIfFailed("flush")) : status), $"flush after {name}: hangs");
            // What a program wrote into the cache is lost when it is written late: Windows notes that, and nobody can be told.
            if (status is null && mount.Client.GetStatistics() is { LostWrites: > 0 } statistics)
            {
                status = (NtStatus)statistics.LastLostStatus;
                Assert.NotEmpty(mount.Log);
            }
            failed += status is null ? 0 : 1;
            bool mustFail = fault == Fault.Gone || (fault == Fault.Reads && name != "label") || (fault == Fault.Writes && changes);
            Assert.True(status is not null || !mustFail, $"{name}: succeeds");
            Assert.True(status is null or NtStatus.IoDeviceError or NtStatus.DeviceNotReady or NtStatus.FileCorrupt or NtStatus.MediaWriteProtected
                || fault == Fault.Zeroes, $"{name}: {status}");
            Assert.True(InTime(() => mount.Host.Unmount(force: true)), $"unmounting after {name}: hangs");
            Assert.True(watch.Elapsed < Patience, $"{name}: {watch.Elapsed}");
            if (fault is Fault.Gone)
            {
                // Nothing arrived, so the kernel finds what was there.
                Assert.Equal(before, Describe(image));
                image.AssertClean();
            }
            else if (fault is Fault.Reads or Fault.Writes)
            {
                image.WithKernel("find $M | wc -l");
                image.AssertClean();
            }
        }
        output.WriteLine($"{failed} of {s_operations.Length} operations failed");
        Assert.True(failed >= s_operations.Length / 2, $"{failed} failures");

        static string Describe(TestKit.TestImage image) =>
            image.WithKernel("cd $M; find . -printf '%p %y %m %s %l %T@\\n' | sort | sha256sum; find . -type f -print0 | sort -z | xargs -0 cat | sha256sum; getfattr -hRd -m - . | sha256sum", "loop,noatime");
    }

    private static void Use(StandInClient client, string path, Action<NtFile> action, Options options = Options.None)
    {
        using NtFile file = client.Create(path, Access.ReadWrite, Disposition.Open, options);
        action(file);
    }

    private static void Use<T>(StandInClient client, string path, Func<NtFile, T> action, Options options = Options.None) => Use(client, path, f => { action(f); }, options);

    private static void NotFound(NtStatus status)
    {
        if (status != NtStatus.ObjectNameNotFound)
        {
            status.ThrowIfFailed("open");
        }
    }

    private static NtStatus? StatusOf(Action action)
    {
        try
        {
            action();
            return null;
        }
        catch (NtStatusException e)
        {
            return e.Status;
        }
    }

    private static bool InTime(Action action)
    {
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                action();
            }
            catch (Exception e)
            {
                failure = e;
            }
        }) { IsBackground = true };
        thread.Start();
        bool ended = thread.Join(Patience);
        return failure is null ? ended : throw new InvalidOperationException("in the background", failure);
    }
}
