using System.Runtime.InteropServices;
using WinLoop.Ext4;
using WinLoop.Mounting.Windows;
using WinLoop.Storage;
using WinLoop.WinFsp.Binding.Abi;
using WinLoop.WinFsp.Hosting;
using WinLoop.WinFsp.Tests.Doubles;

namespace WinLoop.WinFsp.Tests;

/// <summary>Callbacks that return STATUS_PENDING and are answered later.</summary>
public sealed unsafe class PendingTests : IDisposable
{
    private const int Room = 4096;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    // The driver's buffers: not on a stack, since they have to outlive the callback.
    private readonly byte* _buffer = (byte*)NativeMemory.AllocZeroed(Room);

    public static TheoryData<HostKind> Hosts => [HostKind.Builtin, HostKind.Package];

    public void Dispose() => NativeMemory.Free(_buffer);

    [Theory]
    [MemberData(nameof(Hosts))]
    public void While_the_queue_is_frozen_data_and_listings_wait_without_a_thread(HostKind kind)
    {
        using MountedVolume mounted = new(kind);
        CallbackClient client = mounted.Client;
        Opened file = client.Create(@"\file").File!;
        Opened root = client.Open(@"\").File!;
        client.Write(file, "before"u8, 0);
        RequestQueue queue = mounted.Host.Session.Queue;
        queue.Freeze();

        "after!"u8.CopyTo(new Span<byte>(_buffer, 6));
        Assert.Equal(NtStatus.Pending, client.Write(file, _buffer, 6, 6, out _, out _, hint: 71));
        Assert.Equal(NtStatus.Pending, client.ReadDirectory(root, null, _buffer + 1024, 1024, out _, hint: 72));
        string marker = new("lost+found");
        Assert.Equal(NtStatus.Pending, client.ReadDirectory(root, marker, _buffer + 2048, 1024, out _, hint: 73));
        Assert.Equal(3, mounted.Host.Session.Deferred);
        Assert.Empty(mounted.Volume.Responses);
        queue.Unfreeze();

        Dictionary<ulong, TransactResponse> answers = Take(mounted, 3);
        Assert.Equal((NtStatus.Success, 6u, 12ul, TransactKind.Write, (ushort)128),
            (answers[71].Status, answers[71].Information, answers[71].WriteInfo.FileSize, answers[71].Kind, answers[71].Size));
        Assert.Equal(TransactKind.QueryDirectory, answers[72].Kind);
        (List<string> names, bool isEnd) = CallbackClient.ParseListing(new ReadOnlySpan<byte>(_buffer + 1024, (int)answers[72].Information));
        Assert.True(isEnd);
        Assert.Equal(["file", "lost+found"], names.Order());
        (List<string> rest, isEnd) = CallbackClient.ParseListing(new ReadOnlySpan<byte>(_buffer + 2048, (int)answers[73].Information));
        Assert.True(isEnd);
        Assert.Equal(names[(names.IndexOf("lost+found") + 1)..], rest);

        queue.Freeze();
        Assert.Equal(NtStatus.Pending, client.Read(file, _buffer, 100, 0, out _, hint: 74));
        queue.Unfreeze();
        TransactResponse read = Take(mounted, 1)[74];
        Assert.Equal((NtStatus.Success, 12u, TransactKind.Read), (read.Status, read.Information, read.Kind));
        Assert.Equal("beforeafter!"u8, new ReadOnlySpan<byte>(_buffer, 12));
        client.Close(file);
        client.Close(root);
        mounted.Finish();
    }

    [Theory]
    [MemberData(nameof(Hosts))]
    public void A_device_that_is_busy_makes_a_read_wait_in_the_background(HostKind kind)
    {
        using MountedVolume mounted = new(kind, megabytes: 64, mount: new Ext4MountOptions { CacheBytes = 1 << 20 });
        CallbackClient client = mounted.Client;
        Opened file = client.Create(@"\file").File!;
        byte[] data = new byte[1 << 20];
        Random.Shared.NextBytes(data);
        client.Write(file, data, 0);
        Assert.Equal(NtStatus.Success, client.Flush(file));
        FaultRule busy = mounted.Device.Add(new FaultRule { Operations = DeviceOperations.Read, Error = BlockDeviceError.Busy, Count = 5 });

        NtStatus status = client.Read(file, _buffer, Room, 65536, out uint transferred, hint: 5);
        Assert.Equal(NtStatus.Pending, status);
        TransactResponse answer = Take(mounted, 1)[5];
        Assert.Equal((NtStatus.Success, (uint)Room), (answer.Status, answer.Information));
        Assert.Equal(data.AsSpan(65536, Room), new ReadOnlySpan<byte>(_buffer, Room));
        Assert.True(busy.Hits >= 5);
        client.Close(file);
        mounted.Finish();
    }

    [Theory]
    [MemberData(nameof(Hosts))]
    public void A_device_that_stays_busy_ends_as_busy(HostKind kind)
    {
        using MountedVolume mounted = new(kind);
        CallbackClient client = mounted.Client;
        Opened file = client.Create(@"\file").File!;
        client.Write(file, new byte[65536], 0);
        client.Flush(file);
        FaultRule busy = mounted.Device.Add(new FaultRule { Operations = DeviceOperations.Read, Error = BlockDeviceError.Busy });
        Assert.Equal(NtStatus.Pending, client.Read(file, _buffer, Room, 4096, out _, hint: 6));
        Assert.Equal(NtStatus.DeviceBusy, Take(mounted, 1)[6].Status);
        busy.IsEnabled = false;
        Assert.Equal(NtStatus.Success, client.Read(file, _buffer, Room, 4096, out _));
        client.Close(file);
        mounted.Finish();
    }

    [Theory]
    [MemberData(nameof(Hosts))]
    public void Without_a_free_tag_reads_wait_in_the_background_and_all_end(HostKind kind)
    {
        using MountedVolume mounted = new(kind, options: new WinFspMountOptions { QueueDepth = 1 });
        CallbackClient client = mounted.Client;
        Opened file = client.Create(@"\file").File!;
        client.Write(file, new byte[65536], 0);
        client.Flush(file);
        mounted.Device.Add(new FaultRule { Operations = DeviceOperations.Read, Delay = TimeSpan.FromMilliseconds(300), Count = 1 });
        using ManualResetEventSlim started = new();
        NtStatus slow = NtStatus.Pending;
        Thread thread = new(() =>
        {
            byte[] mine = new byte[100];
            started.Set();
            (slow, _) = client.Read(file, 100, 0);
        });
        thread.Start();
        started.Wait(TestContext.Current.CancellationToken);
        SpinWait.SpinUntil(() => mounted.Host.Session.Queue.InFlight == 1, Patience);
        int pending = 0;
        for (int i = 0; i < 10; i++)
        {
            NtStatus status = client.Read(file, _buffer + (i * 100), 100, 0, out _, hint: (ulong)(100 + i));
            pending += status == NtStatus.Pending ? 1 : 0;
        }
        Assert.True(pending > 0);
        Assert.All(Take(mounted, pending).Values, r => Assert.Equal(NtStatus.Success, r.Status));
        thread.Join();
        Assert.Equal(NtStatus.Success, slow);
        client.Close(file);
        mounted.Finish();
    }

    [Theory]
    [MemberData(nameof(Hosts))]
    public void Unmounting_answers_what_waits_before_the_driver_stops(HostKind kind)
    {
        using MountedVolume mounted = new(kind);
        CallbackClient client = mounted.Client;
        Opened file = client.Create(@"\file").File!;
        client.Write(file, new byte[65536], 0);
        client.Flush(file);
        mounted.Device.Add(new FaultRule { Operations = DeviceOperations.Read, Error = BlockDeviceError.Busy, Count = 30 });
        Assert.Equal(NtStatus.Pending, client.Read(file, _buffer, Room, 8192, out _, hint: 9));
        mounted.Host.Unmount(force: true);
        TransactResponse answer = Take(mounted, 1)[9];
        Assert.Equal(NtStatus.Success, answer.Status);
        Assert.Equal(0, mounted.Host.Session.Deferred);
        mounted.Image.AssertClean();
        file.Dispose();
    }

    private static Dictionary<ulong, TransactResponse> Take(MountedVolume mounted, int count)
    {
        Dictionary<ulong, TransactResponse> answers = [];
        for (int i = 0; i < count; i++)
        {
            Assert.True(mounted.Volume.Responses.TryTake(out TransactResponse answer, Patience), "no answer came");
            Assert.True(answers.TryAdd(answer.Hint, answer), "two answers to one request");
        }
        Assert.True(SpinWait.SpinUntil(() => mounted.Host.Session.Deferred == 0, Patience));
        return answers;
    }
}
