using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using WinLoop.Mounting;
using WinLoop.Service.Linux;
using WinLoop.Service.Protocol;
using static WinLoop.Service.Tests.ServiceUnderTest;

namespace WinLoop.Service.Tests;

/// <summary>A second user, with real user ids: what he can do to the first, to the service and to the system.</summary>
public sealed class SecurityTests : IDisposable
{
    private const int Denied = (int)MountError.Denied, Usage = (int)MountError.Usage;

    private readonly ServiceUnderTest _service = new();

    public void Dispose() => _service.Dispose();

    [Fact]
    public void A_user_cannot_open_anothers_image_through_the_service()
    {
        string image = _service.MakeImage(Alice);
        Assert.Equal(Denied, _service.Run(Bob, "mount", image, "--service").ExitCode);

        using RawClient bob = RawClient.Connect(_service.Socket, Bob);
        // By name alone: the service opens no names.
        Assert.Equal(Usage, bob.Ask(Mount(image)).Error?.ExitCode);
        // By a descriptor that everybody gets and that opens nothing.
        using SafeFileHandle path = RawClient.Open(image, LinuxFiles.O_PATH, Bob);
        Assert.Equal(Denied, bob.Ask(Mount(image) with { Mount = new MountOrder { Image = image, Options = "ro" } }, path).Error?.ExitCode);
        // By a false name for his own file: it is his own that is mounted.
        string own = _service.MakeImage(Bob, "own.ext4");
        using SafeFileHandle file = RawClient.Open(own, LinuxFiles.O_RDWR, Bob);
        ServiceAnswer answer = bob.Ask(Mount(image), file);
        Assert.Null(answer.Error);
        Assert.Equal(own, answer.Mount!.Image);
        Assert.Null(bob.Ask(new ServiceRequest { Command = ServiceCommand.Unmount, Id = answer.Mount.Id }).Error);
        AssertClean(own);
        AssertClean(image);
    }

    [Fact]
    public void What_a_user_may_only_read_is_not_written_for_him()
    {
        string image = _service.MakeImage(Alice, mode: "644");
        Shell.Script($"chmod 755 {_service.HomeOf(Alice)}");
        string before = Hash(image);
        string directory = _service.MakeDirectory(Bob);
        Assert.Contains("read-only", _service.Run(Bob, "mount", image, directory, "--service").All, StringComparison.Ordinal);
        Assert.NotEqual(0, _service.RunAs(Bob, "touch", directory + "/new").ExitCode);
        _service.Succeed(Bob, "unmount", directory);
        Assert.Equal(before, Hash(image));
    }

    [Fact]
    public void A_mount_is_its_users_alone()
    {
        string image = _service.MakeImage(Alice), directory = _service.MakeDirectory(Alice);
        Shell.Script($"chmod 755 {_service.HomeOf(Alice)}");
        _service.Succeed(Alice, "mount", image, directory, "--service");
        Assert.Equal(0, _service.RunAs(Alice, "sh", "-c", $"echo secret > {directory}/file; chmod 777 {directory} {directory}/file").ExitCode);

        Assert.NotEqual(0, _service.RunAs(Bob, "ls", directory).ExitCode);
        Assert.NotEqual(0, _service.RunAs(Bob, "cat", directory + "/file").ExitCode);
        string options = File.ReadLines("/proc/self/mounts").Select(l => l.Split(' ')).Single(f => f[1] == directory)[3];
        Assert.Contains("nosuid", options, StringComparison.Ordinal);
        Assert.Contains("nodev", options, StringComparison.Ordinal);
        Assert.DoesNotContain("allow_other", options, StringComparison.Ordinal);

        Assert.DoesNotContain(image, _service.Succeed(Bob, "list"), StringComparison.Ordinal);
        Assert.NotEqual(0, _service.Run(Bob, "unmount", directory, "--force").ExitCode);
        using RawClient bob = RawClient.Connect(_service.Socket, Bob);
        using RawClient root = RawClient.Connect(_service.Socket, 0);
        string id = Assert.Single(root.Ask(new ServiceRequest { Command = ServiceCommand.List }).Mounts!).Id;
        foreach (ServiceCommand command in new[] { ServiceCommand.Unmount, ServiceCommand.Statistics, ServiceCommand.Sync })
        {
            Assert.Equal(Denied, bob.Ask(new ServiceRequest { Command = command, Id = id, Force = true }).Error?.ExitCode);
        }
        Assert.Equal(Denied, bob.Ask(new ServiceRequest { Command = ServiceCommand.Stop }).Error?.ExitCode);
        Assert.True(IsMounted(directory));
        // An administrator may.
        Assert.Null(root.Ask(new ServiceRequest { Command = ServiceCommand.Unmount, Id = id }).Error);
        Assert.False(IsMounted(directory));
        AssertClean(image);
    }

    [Fact]
    public void Asked_for_by_name_a_mount_is_open_to_others()
    {
        string image = _service.MakeImage(Alice), directory = _service.MakeDirectory(Alice);
        Shell.Script($"chmod 755 {_service.HomeOf(Alice)}");
        _service.Succeed(Alice, "mount", image, directory, "--service", "-o", "allow_other");
        Assert.Equal(0, _service.RunAs(Bob, "ls", directory).ExitCode);
        _service.Succeed(Alice, "unmount", directory);
    }

    [Fact]
    public void A_user_mounts_on_directories_of_his_own_only()
    {
        string image = _service.MakeImage(Bob), foreign = _service.MakeDirectory(Alice);
        Shell.Script($"chmod 755 {_service.HomeOf(Alice)}");
        Assert.Equal(Denied, _service.Run(Bob, "mount", image, foreign, "--service").ExitCode);
        Assert.Equal(Denied, _service.Run(Bob, "mount", image, "/etc", "--service").ExitCode);
        // Through a link of his own it is the same directory.
        _service.RunAs(Bob, "ln", "-s", "/etc", _service.HomeOf(Bob) + "/link");
        Assert.Equal(Denied, _service.Run(Bob, "mount", image, _service.HomeOf(Bob) + "/link", "--service").ExitCode);
        Assert.False(IsMounted("/etc"));
        AssertClean(image);
    }

    [Fact]
    public void A_path_that_is_swapped_after_mounting_leads_unmount_nowhere_else()
    {
        string image = _service.MakeImage(Bob), home = _service.HomeOf(Bob);
        // The victim: a mount of root's that has the last name of the mount point.
        Shell.Script($"mkdir -p {_service.Folder}/victim/m; mount -t tmpfs tmpfs {_service.Folder}/victim/m");
        try
        {
            _service.RunAs(Bob, "mkdir", "-p", home + "/a/m");
            _service.Succeed(Bob, "mount", image, home + "/a/m", "--service");
            Assert.Equal(0, _service.RunAs(Bob, "mv", home + "/a", home + "/b").ExitCode);
            Assert.Equal(0, _service.RunAs(Bob, "ln", "-s", _service.Folder + "/victim", home + "/a").ExitCode);
            using RawClient bob = RawClient.Connect(_service.Socket, Bob);
            string id = Assert.Single(bob.Ask(new ServiceRequest { Command = ServiceCommand.List }).Mounts!).Id;
            Assert.Null(bob.Ask(new ServiceRequest { Command = ServiceCommand.Unmount, Id = id }).Error);
            Assert.True(IsMounted(_service.Folder + "/victim/m"));
            Assert.False(IsMounted(home + "/b/m"));
        }
        finally
        {
            Shell.Script($"umount {_service.Folder}/victim/m");
        }
        AssertClean(image);
    }

    [Fact]
    public void Garbage_does_not_end_the_service()
    {
        int seed = Environment.TickCount;
        TestContext.Current.SendDiagnosticMessage($"seed {seed}");
        Random random = new(seed);
        string image = _service.MakeImage(Alice), directory = _service.MakeDirectory(Alice);
        _service.Succeed(Alice, "mount", image, directory, "--service");
        byte[][] rude =
        [
            [0xFF, 0xFF, 0xFF, 0xFF], [0, 0, 0, 0], [1, 0, 1, 0, 1], [0xFF, 0xFF, 0xFF, 0x7F, 1, 2, 3],
            RawClient.Frame("null"), RawClient.Frame("[]"), RawClient.Frame("{"), RawClient.Frame("\"\\uD800\""),
            RawClient.Frame(new string('[', 60_000)), RawClient.Frame("{\"version\":99,\"command\":\"List\"}"),
            RawClient.Frame("{\"version\":1,\"command\":\"Mount\"}"), RawClient.Frame("{\"version\":1,\"command\":\"Mount\",\"mount\":{\"image\":null,\"options\":null,\"windows\":null}}"),
            RawClient.Frame("{\"version\":1,\"command\":77}"), RawClient.Frame("{\"version\":1e999,\"command\":\"List\"}"),
            RawClient.Frame("{\"version\":1,\"command\":\"Unmount\",\"id\":\"" + new string('x', 50_000) + "\"}"),
            RawClient.Frame("{\"version\":1,\"command\":\"Mount\",\"mount\":{\"image\":\"/\\u0000/..\",\"partition\":-5,\"options\":\"offset=-1,cache=99999999999G\"}}"),
        ];
        foreach (byte[] bytes in rude)
        {
            using RawClient bob = RawClient.Connect(_service.Socket, Bob);
            bob.Send(bytes);
            bob.Read(seconds: 1);
        }
        for (int i = 0; i < 100; i++)
        {
            byte[] bytes = new byte[random.Next(1, 3000)];
            random.NextBytes(bytes);
            using RawClient bob = RawClient.Connect(_service.Socket, Bob);
            bob.Send(random.Next(2) == 0 ? bytes : RawClient.Frame(Convert.ToBase64String(bytes)));
        }
        // Descriptors of every kind, and more than anybody needs.
        string own = _service.MakeImage(Bob);
        using (RawClient bob = RawClient.Connect(_service.Socket, Bob))
        {
            foreach (string path in new[] { "/dev/zero", "/dev/null", "/proc/self/status", own, "/etc" })
            {
                using SafeFileHandle file = RawClient.Open(path, LinuxFiles.O_RDONLY, Bob);
                ServiceAnswer answer = bob.Ask(Mount(own) with { Mount = new MountOrder { Image = own, Options = "offset=1048576" } }, file, file, file, file);
                Assert.NotNull(answer.Error);
            }
        }
        Assert.True(_service.IsRunning, _service.Log);
        Assert.Equal(0, _service.RunAs(Alice, "touch", directory + "/still").ExitCode);
        _service.Succeed(Alice, "unmount", directory);
        AssertClean(image);
        // Nothing of it is left open in the service.
        WaitUntil(() => Directory.GetFiles($"/proc/{_service.Pid}/fd").Count(f => new FileInfo(f).LinkTarget is { } t &&
            (t.StartsWith(_service.HomeOf(Bob), StringComparison.Ordinal) || t is "/dev/zero" or "/etc")) == 0, "closing of descriptors");
    }

    [Fact]
    public void Connections_that_say_nothing_block_nobody_else()
    {
        string image = _service.MakeImage(Alice), directory = _service.MakeDirectory(Alice);
        List<RawClient> silent = [];
        try
        {
            for (int i = 0; i < 40; i++)
            {
                RawClient bob = RawClient.Connect(_service.Socket, Bob);
                silent.Add(bob);
                // Half a length, half a message, nothing at all.
                try
                {
                    bob.Send(i % 3 == 0 ? [1] : i % 3 == 1 ? [100, 0, 0, 0, (byte)'{'] : []);
                }
                catch (System.Net.Sockets.SocketException)
                {
                    // This one was refused already.
                }
            }
            // The ninth was told that it is too many.
            Assert.Equal((int)MountError.Busy, silent[^1].Read(5)?.Error?.ExitCode);
            var watch = Stopwatch.StartNew();
            _service.Succeed(Alice, "mount", image, directory, "--service");
            _service.Succeed(Alice, "unmount", directory);
            Assert.True(watch.Elapsed.TotalSeconds < 4, $"It took {watch.Elapsed}.");
            // The silent ones are not waited for forever.
            watch.Restart();
            Assert.Null(silent[0].Read(20));
            Assert.True(watch.Elapsed.TotalSeconds < 10, $"It took {watch.Elapsed}.");
        }
        finally
        {
            silent.ForEach(c => c.Dispose());
        }
        AssertClean(image);
    }

    [Fact]
    public void A_request_that_never_ends_is_cut_off()
    {
        using RawClient bob = RawClient.Connect(_service.Socket, Bob);
        bob.Send([0, 0x80, 0, 0]);
        var watch = Stopwatch.StartNew();
        bool isCut = false;
        while (!isCut && watch.Elapsed.TotalSeconds < 20)
        {
            // A byte now and then keeps no connection: the time is for the whole message.
            try
            {
                bob.Send([(byte)' ']);
            }
            catch (System.Net.Sockets.SocketException)
            {
                isCut = true;
            }
            Thread.Sleep(100);
        }
        Assert.True(isCut);
        Assert.True(watch.Elapsed.TotalSeconds < 10, $"It took {watch.Elapsed}.");
    }

    [Fact]
    public void A_client_trusts_no_socket_of_others()
    {
        Shell.Script($"mkdir {_service.Folder}/fake; chown {Bob}:{Bob} {_service.Folder}/fake");
        string fake = _service.Folder + "/fake/service.sock";
        using var listener = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified);
        listener.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(fake));
        listener.Listen(1);
        Shell.Script($"chmod 777 {fake}");
        Shell.Result result = Shell.Run("setpriv", [$"--reuid={Alice}", $"--regid={Alice}", "--clear-groups", "env", "WINLOOP_SOCKET=" + fake,
            _service.Folder + "/bin/winloop", "service", "status"]);
        Assert.Equal(Denied, result.ExitCode);
        Assert.Contains("not to be trusted", result.Error, StringComparison.Ordinal);
    }

    private static ServiceRequest Mount(string image) => new() { Command = ServiceCommand.Mount, Mount = new MountOrder { Image = image } };

    private static string Hash(string path) => Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(path)));
}
