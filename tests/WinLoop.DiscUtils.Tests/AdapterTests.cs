using DiscUtils.Streams;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.DiscUtils.Tests;

/// <summary>Devices as streams and streams as devices.</summary>
public sealed class AdapterTests
{
    [Fact]
    public void AStreamIsReadOnlyUntilSomebodySaysHowItBecomesDurable()
    {
        using var memory = new MemoryStream(new byte[4096]);
        using var device = new StreamDevice(memory);
        Assert.True(device.IsReadOnly);
        Assert.Equal(BlockDeviceError.ReadOnly, Assert.Throws<BlockDeviceException>(() => device.Write(new byte[512], 0)).Error);
        Assert.Equal(BlockDeviceError.ReadOnly, Assert.Throws<BlockDeviceException>(() => device.WriteZeroes(0, 512)).Error);
        device.Flush();
        Assert.Throws<ArgumentException>(() => new StreamDevice(new MemoryStream(new byte[10], writable: false), barrier: () => { }));
        using var pipe = new System.IO.Pipes.AnonymousPipeServerStream();
        Assert.Throws<ArgumentException>(() => new StreamDevice(pipe));
        Assert.NotNull(StreamBarrier.Find(memory));
        Assert.Null(StreamBarrier.Find(new BufferedStream(memory)));
        Assert.Null(StreamBarrier.Find(new MemoryStream(new byte[10], writable: false)));
    }

    [Fact]
    public void RangesAreChecked()
    {
        using var memory = new MemoryStream(new byte[4096]);
        using var device = new StreamDevice(memory, barrier: static () => { });
        foreach ((long offset, int length) in new[] { (-1L, 1), (4096L, 1), (0L, 4097), (long.MaxValue, 1) })
        {
            Assert.Equal(BlockDeviceError.OutOfRange, Assert.Throws<BlockDeviceException>(() => device.Read(new byte[length], offset)).Error);
            Assert.Equal(BlockDeviceError.OutOfRange, Assert.Throws<BlockDeviceException>(() => device.Write(new byte[length], offset)).Error);
            Assert.Equal(BlockDeviceError.OutOfRange, Assert.Throws<BlockDeviceException>(() => device.Discard(offset, length)).Error);
            Assert.Equal(BlockDeviceError.OutOfRange, Assert.Throws<BlockDeviceException>(() => device.WriteZeroes(offset, length)).Error);
        }
        Assert.Equal(4096, memory.Length);
    }

    [Fact]
    public void WhatAStreamThrowsIsADevicesError()
    {
        var broken = new BrokenStream();
        using var device = new StreamDevice(broken, Ownership.Dispose, static () => throw new NotImplementedException("no flush here"));
        Assert.Equal(BlockDeviceError.Io, Assert.Throws<BlockDeviceException>(() => device.Read(new byte[1], 0)).Error);
        Assert.Equal(BlockDeviceError.Io, Assert.Throws<BlockDeviceException>(() => device.Write(new byte[1], 0)).Error);
        Assert.Equal(BlockDeviceError.Io, Assert.Throws<BlockDeviceException>(() => device.WriteZeroes(0, 1)).Error);
        Assert.Contains("no flush here", Assert.Throws<BlockDeviceException>(device.Flush).Message, StringComparison.Ordinal);
        broken.IsShort = true;
        Assert.Equal(BlockDeviceError.Gone, Assert.Throws<BlockDeviceException>(() => device.Read(new byte[1], 0)).Error);
        device.Dispose();
        Assert.True(broken.IsDisposed);
        Assert.Equal(BlockDeviceError.Gone, Assert.Throws<BlockDeviceException>(() => device.Read(new byte[1], 0)).Error);
    }

    [Fact]
    public void ADeviceThatFailsIsToldAsIOException()
    {
        var broken = new BrokenStream();
        Assert.ThrowsAny<IOException>(() => new Ext4FileSystem(broken, new Ext4FileSystemOptions { Ownership = Ownership.Dispose }));
        Assert.True(broken.IsDisposed);
    }

    /// <summary>Device over stream over device over stream, called by threads at once: no call sees another's position.</summary>
    [Fact]
    public void ThreadsDoNotSeeEachOthersPositions()
    {
        const int Threads = 4, Size = 1 << 20;
        using var inner = new MemoryDevice(Size);
        using var stream = new BlockDeviceStream(inner);
        using var device = new StreamDevice(stream, barrier: stream.Flush);
        int wrong = 0;
        Parallel.For(0, Threads, thread =>
        {
            var random = new Random(thread);
            byte[] mine = new byte[4096], back = new byte[4096];
            mine.AsSpan().Fill((byte)(thread + 1));
            for (int i = 0; i < 2000; i++)
            {
                long offset = (random.Next(Size / 4096 / Threads) * Threads + thread) * 4096L;
                device.Write(mine, offset);
                device.Read(back, offset);
                if (!back.AsSpan().SequenceEqual(mine))
                {
                    Interlocked.Increment(ref wrong);
                }
            }
        });
        Assert.Equal(0, wrong);
    }

    [Fact]
    public void ADeviceStreamEndsWhereTheDeviceEnds()
    {
        var device = new MemoryDevice(10_000);
        using (var stream = new BlockDeviceStream(device, Ownership.Dispose))
        {
            Assert.Equal([new StreamExtent(0, 10_000)], stream.Extents);
            Assert.True(stream is { CanRead: true, CanWrite: true, CanSeek: true, Length: 10_000 });
            stream.Position = 9_998;
            stream.Write([1, 2]);
            Assert.Throws<BlockDeviceException>(() => stream.Write([3]));
            Assert.Equal(10_000, stream.Position);
            Assert.Equal(0, stream.Read(new byte[5]));
            stream.Seek(-3, SeekOrigin.End);
            byte[] buffer = new byte[5];
            Assert.Equal(3, stream.Read(buffer, 1, 4));
            Assert.Equal([0, 0, 1, 2, 0], buffer);
            stream.Seek(-2, SeekOrigin.Current);
            stream.Clear(1);
            Assert.Equal(2, stream.ReadByte());
            Assert.Throws<BlockDeviceException>(() => stream.Clear(1));
            stream.Position = long.MaxValue;
            Assert.Equal(-1, stream.ReadByte());
            Assert.Throws<BlockDeviceException>(() => stream.Write([3]));
            Assert.Throws<IOException>(() => stream.Seek(1, SeekOrigin.Current));
            Assert.Throws<ArgumentException>(() => stream.Seek(0, (SeekOrigin)7));
            Assert.Throws<NotSupportedException>(() => stream.SetLength(5));
            stream.SetLength(10_000);
            stream.Dispose();
            Assert.Throws<ObjectDisposedException>(() => stream.ReadByte());
        }
        using var readOnly = new BlockDeviceStream(new MemoryDevice(512, isReadOnly: true));
        Assert.False(readOnly.CanWrite);
        readOnly.Flush();
        Assert.Throws<BlockDeviceException>(() => readOnly.Write([1]));
        using var empty = new BlockDeviceStream(new MemoryDevice(0));
        Assert.Empty(empty.Extents);
    }

    private sealed class BrokenStream : Stream
    {
        public bool IsShort { get; set; }
        public bool IsDisposed { get; private set; }
        public override bool CanRead => true;
        public override bool CanSeek => true;
        public override bool CanWrite => true;
        public override long Length => 1 << 20;
        public override long Position { get; set; }

        public override void Flush() => throw new NotImplementedException();

        public override int Read(byte[] buffer, int offset, int count) => IsShort ? 0 : throw new IndexOutOfRangeException("damaged");

        public override void Write(byte[] buffer, int offset, int count) => throw new ArithmeticException("damaged");

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            IsDisposed = true;
            base.Dispose(disposing);
        }
    }
}
