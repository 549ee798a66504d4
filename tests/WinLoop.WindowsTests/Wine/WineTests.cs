using System.Security.Cryptography;
using WinLoop.TestKit;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Wine;

/// <summary>The shipped program for Windows, under Wine, with the image on the Linux side: the kernel and e2fsck judge
/// what it wrote.</summary>
public sealed class WineTests(WineSession session, ITestOutputHelper output) : IClassFixture<WineSession>
{
    private static readonly string[] s_names =
    [
        "plain.txt", "with space", "Zürich", "emoji \U0001F600", "trailing dot\uF02E", "trailing space\uF020", "colon\uF03Aquestion\uF03F",
        "quote\uF022star\uF02Apipe\uF07C", "less\uF03Cgreater\uF03E", "back\uF05Cslash", "control\uF001\uF01F", new string('n', 255), new string('ü', 127),
    ];

    [Fact]
    public void A_tree_goes_in_and_comes_out_of_the_kernel()
    {
        using TestImage image = TestImage.Make(128);
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var expected = new SortedDictionary<string, string>(StringComparer.Ordinal);
        using (var mount = new WineMount(session, image))
        {
            StandInClient client = mount.Client;
            for (int d = 0; d < 4; d++)
            {
                string directory = $@"\dir {d}";
                client.MakeDirectory(directory);
                foreach (string name in s_names)
                {
                    byte[] content = new byte[random.Next(100_000)];
                    random.NextBytes(content);
                    string path = $@"{directory}\{name}";
                    client.WriteAll(path, content);
                    ulong time = 125_911_584_001_234_567 + (ulong)random.Next();
                    using (NtFile file = client.Create(path, Access.WriteAttributes, Disposition.Open))
                    {
                        file.SetBasic(write: time).ThrowIfFailed("set time");
                    }
                    expected[OnDisk(path)] = $"{content.Length} {Unix(time)} {Convert.ToHexStringLower(SHA256.HashData(content))}";
                }
            }
            mount.Unmount();
        }
        using KernelMount kernel = KernelMount.Open(image);
        foreach ((string path, string facts) in expected)
        {
            string file = Path.Combine(kernel.Path, path);
            Assert.True(File.Exists(file), $"{path} is missing");
            string actual = $"{new FileInfo(file).Length} {Shell.Run("stat", ["-c", "%.7Y", file]).Output.Trim()} " +
                Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file)));
            Assert.Equal($"{path}: {facts}", $"{path}: {actual}");
        }
    }

    [Fact]
    public void A_tree_of_the_kernel_is_read_whole()
    {
        using TestImage image = TestImage.Make(128);
        image.WithKernel("""
            cd $M
            mkdir -p a/b; echo one > a/b/file; ln -s b/file a/link; ln a/b/file a/hard; mkfifo a/pipe
            echo twin > a/Twin; echo twin2 > a/twin; printf 'bad' > "$(printf 'a/bad\377name')"; echo dot > 'a/ends.'
            truncate -s 5M a/hole; printf end >> a/hole; touch -d '1960-01-02 03:04:05.123456789' a/old
            """);
        using var mount = new WineMount(session, image, "X:", "-r");
        StandInClient client = mount.Client;
        Assert.Equal(["Twin", "b", "bad\uF0FFname", "ends\uF02E", "hard", "hole", "link", "old", "pipe", "twin"],
            client.List(@"\a").Select(i => i.Name).Order(StringComparer.Ordinal));
        Assert.Equal("one\n"u8.ToArray(), client.ReadAll(@"\a\b\file"));
        Assert.Equal("one\n"u8.ToArray(), client.ReadAll(@"\a\link"));
        Assert.Equal("one\n"u8.ToArray(), client.ReadAll(@"\a\hard"));
        Assert.Equal("twin\n"u8.ToArray(), client.ReadAll(@"\a\Twin"));
        Assert.Equal("twin2\n"u8.ToArray(), client.ReadAll(@"\a\twin"));
        Assert.Equal("bad"u8.ToArray(), client.ReadAll("\\a\\bad\uF0FFname"));
        Assert.Equal("dot\n"u8.ToArray(), client.ReadAll("\\a\\ends\uF02E"));
        byte[] hole = client.ReadAll(@"\a\hole");
        Assert.Equal((5 << 20) + 3, hole.Length);
        Assert.True(hole.AsSpan(0, 5 << 20).IndexOfAnyExcept((byte)0) < 0);
        Assert.Equal("-315521754.8765433", Unix(client.List(@"\a", "old")[0].Info.LastWriteTime));
        Assert.Equal(Mounting.Windows.NtStatus.MediaWriteProtected, client.CreateStatus(@"\a\new", disposition: Disposition.Create));
        mount.Unmount();
    }

    [Fact]
    public void Eight_programs_at_once_and_then_a_kill()
    {
        int seconds = int.TryParse(Environment.GetEnvironmentVariable("WINLOOP_SOAK_SECONDS"), out int given) ? given : 10;
        using TestImage image = TestImage.Make(256);
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        using (var mount = new WineMount(session, image, "X:", "--cache", "fast"))
        {
            mount.Client.SetLazyInterval(20);
            long end = Environment.TickCount64 + (seconds * 1000);
            Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 8 }, worker => Work(mount, worker, seed + worker, end));
            mount.Unmount();
        }
        using (var mount = new WineMount(session, image, "X:"))
        {
            using (NtFile kept = mount.Client.Create(@"\promised", disposition: Disposition.Create))
            {
                kept.Write(0, "on the disk"u8);
                kept.Flush().ThrowIfFailed("flush");
            }
            var working = new Thread(() =>
            {
                try
                {
                    Work(mount, 9, seed + 9, Environment.TickCount64 + 60_000);
                }
                catch (Exception e) when (e is IOException or System.Net.Sockets.SocketException or ObjectDisposedException)
                {
                    // Its drive is gone, as it will be in a moment.
                }
            });
            working.Start();
            Thread.Sleep(1500);
            mount.Kill();
            Assert.True(working.Join(30_000), "a program waits for a driver that is gone");
        }
        using (var mount = new WineMount(session, image, "X:"))
        {
            Assert.Equal("on the disk"u8.ToArray(), mount.Client.ReadAll(@"\promised"));
            mount.Unmount();
        }
    }

    [Fact]
    public void Failures_say_what_to_do()
    {
        session.Start();
        using TestImage image = TestImage.Make(16);
        using (var mount = new WineMount(session, image))
        {
            Shell.Result second = session.Run("mount", WineSession.Windows(image.Path), "Y:", "--foreground");
            Assert.Equal(6, second.ExitCode);
            Assert.Contains("it is mounted on X:", second.Error, StringComparison.Ordinal);
            Assert.Contains("X:", session.Run("list").Output, StringComparison.Ordinal);
            using (StandInClient stranger = mount.ConnectAsStranger())
            {
                Assert.Equal(Mounting.Windows.NtStatus.AccessDenied, stranger.CreateStatus(@"\stranger", disposition: Disposition.Create));
                Assert.Equal(Mounting.Windows.NtStatus.AccessDenied, stranger.CreateStatus(@"\lost+found", Access.Read));
            }
            using (mount.Client.Create(@"\open", disposition: Disposition.Create))
            {
                Shell.Result busy = session.Run("unmount", "X:");
                Assert.Equal(6, busy.ExitCode);
                Assert.Matches(@"it is used by .* \(pid \d+, \\open\)", busy.Error);
            }
            mount.Unmount();
        }
        Assert.Equal(3, session.Run("mount", @"Z:\no\such.img", "X:", "--foreground").ExitCode);
        Assert.Equal(2, session.Run("mount", WineSession.Windows(image.Path), "X:", "--foreground", "--acl", "nobody").ExitCode);
        Assert.Equal(3, session.Run("unmount", "X:").ExitCode);
    }

    [Fact]
    public void A_mount_in_the_background_outlives_the_command()
    {
        session.Start();
        using TestImage image = TestImage.Make(64);
        string portFile = Path.Combine(Path.GetDirectoryName(image.Path)!, "port file"), path = WineSession.Windows(image.Path);
        Shell.Result mounted = session.RunWithPort(portFile, "mount", path, "X:", "--acl", "everyone");
        Assert.Equal((0, "X:\n"), (mounted.ExitCode, mounted.Output));
        try
        {
            Shell.Result again = session.Run("mount", path, "Y:");
            Assert.Equal(6, again.ExitCode);
            Assert.Contains("it is mounted on X:", again.Error, StringComparison.Ordinal);
            using StandInClient stranger = StandInClient.Tcp(int.Parse(File.ReadAllText(portFile), System.Globalization.CultureInfo.InvariantCulture), "X:");
            stranger.WriteAll(@"\of a stranger", "let in by --acl"u8);
            stranger.FlushVolume().ThrowIfFailed("flush");
        }
        finally
        {
            Shell.Result unmounted = session.Run("unmount", "--force", "X:");
            Assert.True(unmounted.ExitCode == 0, unmounted.All);
        }
        image.AssertClean();
        Assert.Equal("let in by --acl", image.WithKernel("cat \"$M/of a stranger\""));
        Assert.DoesNotContain("X:", session.Run("list").Output, StringComparison.Ordinal);
        Assert.Equal(3, session.Run("mount", @"Z:\no\such.img").ExitCode);
    }

    [Fact]
    public void A_double_click_mounts_and_a_second_one_goes_there()
    {
        session.Start();
        using TestImage image = TestImage.Make(64);
        string folder = Path.GetDirectoryName(image.Path)!, portFile = Path.Combine(folder, "port"), odd = Path.Combine(folder, "my Büro, image.ext4");
        File.Move(image.Path, odd);
        Shell.Result first = session.Click(portFile, WineSession.Windows(odd));
        Assert.True(first.ExitCode == 0, first.All);
        string drive;
        using (System.Text.Json.JsonDocument list = System.Text.Json.JsonDocument.Parse(session.Run("list", "--json").Output))
        {
            System.Text.Json.JsonElement mount = Assert.Single(list.RootElement.GetProperty("mounts").EnumerateArray());
            Assert.Equal(WineSession.Windows(odd), mount.GetProperty("image").GetString());
            drive = mount.GetProperty("directory").GetString()!;
        }
        Assert.Equal(0, session.Click(portFile, WineSession.Windows(odd)).ExitCode);
        using (StandInClient client = StandInClient.Tcp(int.Parse(File.ReadAllText(portFile), System.Globalization.CultureInfo.InvariantCulture), drive))
        {
            client.SetToken(Descriptor.Sid(5, 21, 0, 0, 0, 1000), Descriptor.Sid(5, 21, 0, 0, 0, 513));
            client.WriteAll(@"\clicked", "x"u8);
            using NtFile open = client.Create(@"\clicked", Access.Read, Disposition.Open);
            // Files are open, and nobody can be asked here: it stays.
            Assert.Equal(6, session.Click(portFile, "--unmount", drive + "\"").ExitCode);
        }
        Assert.Equal(0, session.Click(portFile, "--unmount", drive + "\"").ExitCode);
        File.Move(odd, image.Path);
        image.AssertClean();
        Assert.Equal(3, session.Click(portFile, @"Z:\no such file.ext4").ExitCode);
        Assert.Equal(2, session.Click(portFile).ExitCode);
        File.WriteAllText(Path.Combine(folder, "text.img"), "this is no image");
        Assert.Equal(5, session.Click(portFile, WineSession.Windows(Path.Combine(folder, "text.img"))).ExitCode);
    }

    // Creates, writes, checks, renames and deletes files of its own; what it reads must be what it wrote.
    private static void Work(WineMount mount, int worker, int seed, long end)
    {
        using StandInClient client = mount.Connect();
        var random = new Random(seed);
        string directory = $@"\worker {worker}";
        client.MakeDirectory(directory);
        var files = new Dictionary<string, byte[]>();
        for (int step = 0; Environment.TickCount64 < end; step++)
        {
            string name = $@"{directory}\file {random.Next(20)}";
            switch (random.Next(6))
            {
                case 0 or 1:
                    byte[] content = new byte[random.Next(60_000)];
                    random.NextBytes(content);
                    client.WriteAll(name, content);
                    files[name] = content;
                    break;
                case 2 when files.ContainsKey(name):
                    client.Delete(name);
                    files.Remove(name);
                    break;
                case 3 when files.Remove(name, out byte[]? moved):
                    string target = $@"{directory}\file {random.Next(20)}";
                    client.Rename(name, target);
                    files[target] = moved;
                    break;
                case 4:
                    Assert.Equal(files.Keys.Select(k => k[(directory.Length + 1)..]).Order(StringComparer.Ordinal),
                        client.List(directory).Select(i => i.Name).Order(StringComparer.Ordinal));
                    break;
                default:
                    Assert.Equal(files.ContainsKey(name), client.Exists(name));
                    if (files.TryGetValue(name, out byte[]? known))
                    {
                        Assert.True(known.AsSpan().SequenceEqual(client.ReadAll(name)), $"{name} at step {step}");
                    }
                    break;
            }
        }
    }

    // U+F000+c on Windows is c on the disk.
    private static string OnDisk(string path) =>
        string.Concat(path[1..].Replace('\\', '/').Select(c => c is >= '\uF000' and <= '\uF0FF' ? (char)(c - 0xF000) : c));

    private static string Unix(ulong time)
    {
        long ticks = (long)time - 116_444_736_000_000_000;
        long seconds = Math.DivRem(ticks, 10_000_000, out long rest);
        return ticks >= 0 || rest == 0 ? $"{seconds}.{rest:D7}" : $"-{-seconds}.{-rest:D7}";
    }
}
