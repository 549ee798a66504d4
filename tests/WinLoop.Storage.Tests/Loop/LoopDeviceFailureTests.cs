namespace WinLoop.Storage.Tests;

/// <summary>What a loop device makes of a backing file that fails.</summary>
public sealed unsafe class LoopDeviceFailureTests
{
    private readonly FailingFile _file = new();

    [Fact]
    public void After_a_failed_flush_nothing_is_written_any_more_and_no_flush_succeeds()
    {
        using var device = new LoopDevice(_file, new());
        device.Write([1], 0);
        _file.Failures.Enqueue(BlockDeviceError.Io);
        Assert.Equal(BlockDeviceError.Io, DeviceContract.Error(device.Flush));
        Assert.Equal(BlockDeviceError.Io, DeviceContract.Error(device.Flush));
        Assert.Equal(BlockDeviceError.Io, DeviceContract.Error(() => device.Write([1], 0)));
        Assert.Equal(BlockDeviceError.Io, DeviceContract.Error(() => device.WriteZeroes(0, 512)));
        device.Read(new byte[1], 0);
        Assert.Equal(2, _file.Calls["write"] + _file.Calls["flush"]);
    }

    [Fact]
    public void A_failed_write_is_reported_once_and_not_tried_again()
    {
        using var device = new LoopDevice(_file, new());
        _file.Failures.Enqueue(BlockDeviceError.NoSpace);
        Assert.Equal(BlockDeviceError.NoSpace, DeviceContract.Error(() => device.Write([1], 0)));
        Assert.Equal(1, _file.Calls["write"]);
        device.Write([1], 0);
        device.Flush();
    }

    [Fact]
    public void Not_now_is_tried_again_until_it_works()
    {
        using var device = new LoopDevice(_file, new());
        foreach (string operation in (string[])["write", "read", "flush"])
        {
            _file.Failures.Enqueue(BlockDeviceError.Busy);
            _file.Failures.Enqueue(BlockDeviceError.Busy);
            Action action = operation switch
            {
                "write" => () => device.Write([1], 0),
                "read" => () => device.Read(new byte[1], 0),
                _ => device.Flush,
            };
            action();
            Assert.Equal(3, _file.Calls[operation]);
        }

        Assert.Equal(6, device.Queue.GetStatistics().Requeues);
    }

    [Fact]
    public void A_short_read_inside_the_file_is_an_error()
    {
        using var device = new LoopDevice(_file, new());
        _file.ShortRead = true;
        Assert.Equal(BlockDeviceError.Io, DeviceContract.Error(() => device.Read(new byte[10], 0)));
    }

    [Fact]
    public void Where_the_file_system_cannot_zero_zeroes_are_written()
    {
        using var device = new LoopDevice(_file, new() { Offset = 512 });
        device.WriteZeroes(512, 600_000);
        Assert.Equal(600_000, _file.Written);
        Assert.Equal(1024, _file.FirstOffset);
    }

    private sealed class FailingFile : BackingFile
    {
        internal readonly Queue<BlockDeviceError> Failures = new();
        internal readonly Dictionary<string, int> Calls = new() { ["read"] = 0, ["write"] = 0, ["flush"] = 0 };
        internal bool ShortRead;
        internal long Written;
        internal long FirstOffset = -1;

        internal override string Path => "fake";
        internal override ImageIdentity Identity => default;
        internal override bool IsDirectIo => false;
        internal override int SectorSize => 512;
        internal override bool CanResize => false;
        internal override long GetLength() => 1 << 20;
        internal override void SetLength(long length) => throw new NotSupportedException();
        internal override bool IsUnlinked() => false;
        internal override bool TryZero(long offset, long length) => false;
        internal override void Flush() => Call("flush");

        internal override void Discard(long offset, long length)
        {
        }

        internal override long Read(byte* buffer, long length, long offset)
        {
            Call("read");
            return ShortRead ? length - 1 : length;
        }

        internal override void Write(byte* buffer, long length, long offset)
        {
            Call("write");
            Written += length;
            FirstOffset = FirstOffset < 0 ? offset : FirstOffset;
        }

        public override void Dispose()
        {
        }

        private void Call(string operation)
        {
            Calls[operation]++;
            if (Failures.TryDequeue(out BlockDeviceError error))
            {
                throw new BlockDeviceException(error, "fake");
            }
        }
    }
}
