using System.Buffers.Binary;
using System.Runtime.InteropServices;
using WinLoop.Ext4;
using WinLoop.Ext4.Check;
using WinLoop.Ext4.Create;
using WinLoop.Fuse.Protocol;
using WinLoop.Storage;

namespace WinLoop.Fuse.Tests.Protocol;

/// <summary>Requests that no kernel would send: each has an answer that fits, nothing is thrown, and the volume stays sound.
/// WINLOOP_REQUEST_SEED repeats a run, WINLOOP_REQUESTS sets how many.</summary>
public sealed unsafe partial class HostileRequestTests(ITestOutputHelper output)
{
    private const int HeaderSize = 40, LongestPayload = 400;

    private static readonly ulong[] s_numbers =
        [0, 1, 2, 3, 7, 8, 255, 256, 4095, 4096, 4097, 65535, 1 << 20, int.MaxValue, 1UL << 31, uint.MaxValue, 1UL << 32, long.MaxValue, 1UL << 63, ulong.MaxValue - 1, ulong.MaxValue];

    [Fact]
    public void Any_bytes_are_answered_and_the_volume_stays_sound()
    {
        int seed = Number("WINLOOP_REQUEST_SEED", Environment.TickCount & 0xFFFFFF), count = Number("WINLOOP_REQUESTS", 60_000);
        output.WriteLine($"WINLOOP_REQUEST_SEED={seed}");
        var random = new Random(seed);
        var device = new MemoryDevice(32 << 20);
        Ext4Creator.Create(device, new Ext4CreateOptions());
        int[] pipe = new int[2];
        fixed (int* ends = pipe)
        {
            Assert.Equal(0, Pipe(ends));
        }
        var done = new int[Opcodes.Count + 8];
        try
        {
            using Ext4Volume volume = Ext4Volume.Mount(device, new Ext4MountOptions { UseBackgroundCommit = false });
            var session = new FuseSession(volume, null);
            session.Nodes.Remember(volume.GetInode(Ext4Volume.RootInode));
            IQueueOperations dispatcher = new FuseDispatcher(session, -1);
            using var request = new FuseRequest(1 << 20);
            var nodes = new List<ulong> { 1 };
            byte[] bytes = new byte[HeaderSize + LongestPayload];
            for (int i = 0; i < count; i++)
            {
                uint opcode = random.Next(50) == 0 ? (uint)random.NextInt64(uint.MaxValue) : (uint)random.Next(Opcodes.Count + 3);
                if (opcode is (uint)Opcode.Forget or (uint)Opcode.BatchForget && random.Next(20) != 0)
                {
                    continue; // else nothing is ever known
                }
                int length = Make(bytes, opcode, nodes, random);
                fixed (byte* first = bytes)
                {
                    Assert.Equal(length, Write(pipe[1], first, length));
                }
                if (request.Receive(pipe[0]) != 0)
                {
                    continue;
                }
                try
                {
                    dispatcher.QueueRequest(request);
                }
                catch (Exception e)
                {
                    Assert.Fail($"WINLOOP_REQUEST_SEED={seed}: request {i}, {(Opcode)opcode}, {Convert.ToHexString(bytes.AsSpan(0, length))}: {e}");
                }
                int result = request.Result;
                Assert.True(result is FuseRequest.NoReply or > -4096 && result <= request.ReplyCapacity, $"{(Opcode)opcode}: {result}");
                done[Math.Min(opcode, done.Length - 1)] += result >= 0 ? 1 : 0;
                if (request.EntriesGiven == 1 && (Opcode)opcode is not (Opcode.ReadDirPlus or Opcode.ReadDir) && nodes.Count < 500)
                {
                    nodes.Add(*(ulong*)request.Reply);
                }
            }
            session.Nodes.Dispose(); // the kernel forgets all
            volume.Synchronize();
            Assert.False(volume.IsReadOnly, volume.ReadOnlyReason);
        }
        finally
        {
            _ = Close(pipe[0]);
            _ = Close(pipe[1]);
        }
        CheckReport report = Ext4Checker.Check(device);
        // Times past 2310 can be stored and asked for; e2fsck takes them for a mistake.
        Finding[] wrong = [.. report.Findings.Where(f => f.Severity == FindingSeverity.Error && f.Code != FindingCode.InodeTime)];
        Assert.True(wrong.Length == 0, $"WINLOOP_REQUEST_SEED={seed}\n{string.Join('\n', wrong.Take(20))}");
        output.WriteLine(string.Join(", ", done.Select((n, i) => (n, i)).Where(d => d.n > 0).Select(d => $"{(Opcode)d.i} {d.n}")));
        // The noise gets through to what it is aimed at.
        foreach (Opcode opcode in (Opcode[])[Opcode.Lookup, Opcode.GetAttr, Opcode.SetAttr, Opcode.MkDir, Opcode.Create, Opcode.Write, Opcode.Read, Opcode.SetXattr])
        {
            Assert.True(done[(int)opcode] > 0, $"no {opcode} got through");
        }
    }

    private static int Make(byte[] bytes, uint opcode, List<ulong> nodes, Random random)
    {
        int payload = random.Next(LongestPayload);
        Span<byte> body = bytes.AsSpan(HeaderSize, payload);
        Span<byte> word = stackalloc byte[8];
        for (int at = 0; at < payload; at += 4)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(word, random.Next(3) == 0 ? s_numbers[random.Next(s_numbers.Length)] : (ulong)random.Next(10));
            word[..Math.Min(4, payload - at)].CopyTo(body[at..]);
        }
        // Names where they usually are: behind a structure of any size.
        int names = Math.Min(payload, random.Next(8) * 8);
        foreach (string name in (string[])[Name(random), Name(random)])
        {
            if (random.Next(4) != 0 && names + name.Length + 1 <= payload)
            {
                System.Text.Encoding.ASCII.GetBytes(name, body[names..]);
                body[names + name.Length] = 0;
                names += name.Length + 1;
            }
        }
        int length = HeaderSize + payload;
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, (uint)(random.Next(200) == 0 ? random.Next(1000) : length));
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4), opcode);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(8), (ulong)random.NextInt64());
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(16),
            random.Next(20) == 0 ? s_numbers[random.Next(s_numbers.Length)] : nodes[random.Next(nodes.Count)]);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(24), (uint)random.Next(3) * 1000);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(28), (uint)random.Next(3) * 1000);
        bytes.AsSpan(32, 8).Clear();
        return length;
    }

    private static string Name(Random random) => random.Next(12) switch
    {
        0 => ".",
        1 => "..",
        2 => "",
        3 => "a/b",
        4 => new string('n', 255),
        5 => new string('n', 256),
        6 => "user.x",
        7 => "system.posix_acl_access",
        _ => "f" + random.Next(30),
    };

    private static int Number(string variable, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), out int value) ? value : otherwise;

    [LibraryImport("libc", EntryPoint = "pipe")]
    private static partial int Pipe(int* ends);

    [LibraryImport("libc", EntryPoint = "write")]
    private static partial nint Write(int fd, byte* bytes, nint count);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int fd);
}
