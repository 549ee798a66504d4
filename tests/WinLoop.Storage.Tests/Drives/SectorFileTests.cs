namespace WinLoop.Storage.Tests.Drives;

/// <summary>A drive that takes whole sectors only, through a loop device that knows nothing of it.</summary>
public sealed class SectorFileTests
{
    [Theory]
    [InlineData(512)]
    [InlineData(4096)]
    public void Every_transfer_reaches_the_drive_in_whole_sectors(int sector)
    {
        using var drive = new Drive(2 << 20, sector);
        using var device = new LoopDevice(new SectorFile(drive), new LoopDeviceOptions());
        Assert.Equal((2 << 20, sector), (device.Length, device.SectorSize));
        DeviceContract.CheckRanges(device);
        DeviceContract.CheckRandomOperations(device, seed: sector, operations: 800);
        DeviceContract.CheckThreads(device); // pieces of neighbours share sectors
        Assert.True(drive.Transfers > 1000);
    }

    [Fact]
    public void A_drive_that_is_gone_stays_gone_for_the_caller_and_claims_are_given_up_last()
    {
        var order = new List<string>();
        var drive = new Drive(1 << 20, 512) { Closed = () => order.Add("drive") };
        using (var device = new LoopDevice(new SectorFile(drive, new Claim(() => order.Add("volumes")), new Claim(() => order.Add("name"))), new LoopDeviceOptions()))
        {
            drive.IsGone = true;
            Assert.Equal(BlockDeviceError.Gone, DeviceContract.Error(() => device.Write(new byte[100], 7)));
            Assert.Equal(BlockDeviceError.Gone, DeviceContract.Error(() => device.Read(new byte[100], 7)));
        }

        Assert.Equal(["drive", "volumes", "name"], order);
    }

    private sealed class Claim(Action dispose) : IDisposable
    {
        public void Dispose() => dispose();
    }

    /// <summary>Demands alignment as a disk of Windows does.</summary>
    private sealed unsafe class Drive(int length, int sector) : BackingFile
    {
        private readonly byte[] _content = new byte[length];
        private int _transfers;

        internal int Transfers => _transfers;

        internal bool IsGone { get; set; }

        internal Action? Closed { get; init; }

        internal override string Path => @"\\.\PhysicalDrive7";

        internal override ImageIdentity Identity => default;

        internal override bool IsDirectIo => false;

        internal override int SectorSize => sector;

        internal override long GetLength() => length;

        internal override bool CanResize => false;

        internal override void SetLength(long to) => throw new NotSupportedException();

        internal override bool IsUnlinked() => false;

        internal override long Read(byte* buffer, long count, long offset)
        {
            Check(buffer, count, offset);
            count = Math.Min(count, length - offset);
            _content.AsSpan((int)offset, (int)count).CopyTo(new Span<byte>(buffer, (int)count));
            return count;
        }

        internal override void Write(byte* buffer, long count, long offset)
        {
            Check(buffer, count, offset);
            new Span<byte>(buffer, (int)count).CopyTo(_content.AsSpan((int)offset));
        }

        internal override void Flush()
        {
        }

        internal override void Discard(long offset, long count)
        {
        }

        internal override bool TryZero(long offset, long count) => false;

        public override void Dispose() => Closed?.Invoke();

        private void Check(byte* buffer, long count, long offset)
        {
            Interlocked.Increment(ref _transfers);
            if (IsGone)
            {
                throw new BlockDeviceException(BlockDeviceError.Gone, "no medium");
            }

            if ((long)buffer % sector != 0 || count % sector != 0 || offset % sector != 0)
            {
                throw new BlockDeviceException(BlockDeviceError.Io, $"the parameter is incorrect: {count} bytes at {offset}");
            }
        }
    }
}
