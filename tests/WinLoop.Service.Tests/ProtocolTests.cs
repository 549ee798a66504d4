using System.Text;
using System.Text.Json;
using WinLoop.Ext4;
using WinLoop.Mounting;
using WinLoop.Mounting.Windows;
using WinLoop.Service.Protocol;

namespace WinLoop.Service.Tests;

/// <summary>Frames and messages by themselves.</summary>
public sealed class ProtocolTests
{
    private static readonly Deadline s_soon = Deadline.After(TimeSpan.FromSeconds(10));

    [Theory]
    [InlineData(new byte[] { 0, 0, 0, 0 })]
    [InlineData(new byte[] { 1, 0, 1, 0 })]
    [InlineData(new byte[] { 255, 255, 255, 255 })]
    [InlineData(new byte[] { 2, 0, 0, 0, 1 })]
    [InlineData(new byte[] { 2, 0 })]
    public void A_frame_of_a_wrong_length_is_refused(byte[] bytes) =>
        Assert.Throws<ProtocolException>(() => ServiceProtocol.ReadFrame(new MemoryChannel(bytes, 3), ServiceProtocol.MaxRequest, s_soon));

    [Fact]
    public void Frames_arrive_whole_however_they_are_cut()
    {
        var written = new MemoryChannel([], 1);
        ServiceProtocol.WriteFrame(written, "{\"a\":1}"u8, s_soon);
        ServiceProtocol.WriteFrame(written, "[]"u8, s_soon);
        var channel = new MemoryChannel(written.Written.ToArray(), 1);
        Assert.Equal("{\"a\":1}", Encoding.UTF8.GetString(ServiceProtocol.ReadFrame(channel, 100, s_soon)!));
        Assert.Equal("[]", Encoding.UTF8.GetString(ServiceProtocol.ReadFrame(channel, 100, s_soon)!));
        Assert.Null(ServiceProtocol.ReadFrame(channel, 100, s_soon));
    }

    [Fact]
    public void Options_survive_the_way_to_the_service()
    {
        MountOptions options = new()
        {
            IsReadOnly = true, AccessTime = AccessTimeMode.Relative, Suid = false, Dev = false, AllowOther = true, Exec = false, Sync = true, DirSync = true,
            Barrier = false, Discard = true, SkipRecovery = true, Offset = 1 << 20, SizeLimit = 1 << 24, CommitInterval = 17, CacheBytes = 8 << 20,
            Errors = ErrorsBehaviour.Continue,
        };
        foreach (MountOptions given in new[] { options, new MountOptions(), new MountOptions { AccessTime = AccessTimeMode.Strict } })
        {
            Assert.Equal(given, MountOptionParser.Parse(MountOptionWriter.ToList(given), new MountOptions(), []));
        }
        WindowsMountOptions windows = WindowsMountOptions.Parse(true, "everyone", "7", "8", "077", "NTFS", "fast", true);
        Assert.Equal(windows, WindowsWords.From(windows).ToOptions());
        Assert.Equal(new WindowsMountOptions(), WindowsWords.From(new WindowsMountOptions()).ToOptions());
    }

    [Fact]
    public void Any_text_is_a_request_or_a_JsonException()
    {
        int seed = Environment.TickCount;
        TestContext.Current.SendDiagnosticMessage($"seed {seed}");
        Random random = new(seed);
        byte[] good = JsonSerializer.SerializeToUtf8Bytes(new ServiceRequest { Version = 1, Command = ServiceCommand.Mount, Mount = new MountOrder { Image = "/x" } },
            ServiceJson.Default.ServiceRequest);
        for (int i = 0; i < 20_000; i++)
        {
            byte[] bad = [.. good];
            for (int n = random.Next(1, 4); n > 0; n--)
            {
                bad[random.Next(bad.Length)] = (byte)random.Next(256);
            }
            try
            {
                JsonSerializer.Deserialize(bad, ServiceJson.Default.ServiceRequest);
            }
            catch (JsonException)
            {
                // The server answers it with an error.
            }
        }
    }

    private sealed class MemoryChannel(byte[] bytes, int step) : Channel
    {
        private int _at;

        internal MemoryStream Written { get; } = new();

        internal override int Read(Memory<byte> buffer, Deadline deadline)
        {
            int count = Math.Min(Math.Min(step, buffer.Length), bytes.Length - _at);
            bytes.AsMemory(_at, count).CopyTo(buffer);
            _at += count;
            return count;
        }

        internal override void Write(ReadOnlyMemory<byte> data, Deadline deadline, IReadOnlyList<int> descriptors) => Written.Write(data.Span);

        public override void Dispose() => Written.Dispose();
    }
}
