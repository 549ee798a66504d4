using System.Diagnostics;
using WinLoop.Mounting.Linux;

namespace WinLoop.Mounting.Tests.Linux;

public sealed class ProcessTests
{
    public ProcessTests() => Assert.SkipUnless(OperatingSystem.IsLinux(), "needs Linux");

    [Fact]
    public void This_process_lives_and_one_of_another_start_does_not()
    {
        ProcessIdentity self = ProcessIdentity.Current;
        Assert.True(self.IsAlive);
        Assert.False((self with { StartTime = self.StartTime + 1 }).IsAlive);
        Assert.False(new ProcessIdentity(int.MaxValue, 1).IsAlive);
        Assert.False(self.WaitForExit(TimeSpan.FromMilliseconds(20)));
    }

    [Fact]
    public void Users_of_a_directory_are_named_with_what_they_do()
    {
        string directory = Directory.CreateTempSubdirectory("winloop-users").FullName;
        try
        {
            File.WriteAllText(Path.Combine(directory, "note"), "x");
            using Process reader = Process.Start(new ProcessStartInfo("sleep", "60") { WorkingDirectory = directory })!;
            using var open = Process.Start(new ProcessStartInfo("sh", ["-c", $"exec 5<{directory}/note; exec sleep 60"]))!;
            try
            {
                IReadOnlyList<string> users = [];
                for (int i = 0; i < 100 && users.Count < 2; i++)
                {
                    Thread.Sleep(20);
                    users = OpenFiles.FindUsers(directory);
                }
                Assert.Contains($"sleep (pid {reader.Id}, working directory)", users);
                Assert.Contains(users, u => u.Contains($"(pid {open.Id}, open file note)", StringComparison.Ordinal));
                Assert.Equal(2, users.Count);
            }
            finally
            {
                reader.Kill();
                open.Kill();
                reader.WaitForExit();
                open.WaitForExit();
            }
            Assert.Empty(OpenFiles.FindUsers(directory));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [Fact]
    public void Paths_are_resolved_as_far_as_they_exist()
    {
        string directory = Directory.CreateTempSubdirectory("winloop-path").FullName;
        try
        {
            string link = Path.Combine(directory, "link");
            Directory.CreateDirectory(Path.Combine(directory, "real"));
            Directory.CreateSymbolicLink(link, Path.Combine(directory, "real"));
            Assert.Equal(Path.Combine(directory, "real"), HostPath.Resolve(link + "/"));
            Assert.Equal(Path.Combine(directory, "real", "missing"), HostPath.Resolve(link + "/missing"));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [Fact]
    public void Figures_are_answered_over_the_socket()
    {
        string path = Path.Combine(Path.GetTempPath(), $"winloop-{Guid.NewGuid():N}.sock");
        using (Mounting.Statistics.StatisticsServer.Start(path, () => new Mounting.Statistics.MountStatistics
        {
            Directory = "/d",
            Queues = [new() { Name = "host", Depth = 64, Operations = [new() { Name = "READ", Count = 7, P99 = 1.5 }] }],
        }))
        {
            for (int i = 0; i < 3; i++)
            {
                Mounting.Statistics.MountStatistics answer = Mounting.Statistics.StatisticsClient.Ask(path, "/d");
                Assert.Equal("/d", answer.Directory);
                Assert.Equal(7, answer.Queues[0].Operations[0].Count);
            }
            Assert.True(FileStatus.Of(path)!.Value is { IsOwnAndPrivate: true, Mode: 0xC180 }); // a socket, 0600
        }
        Assert.False(File.Exists(path));
        MountException e = Assert.Throws<MountException>(() => Mounting.Statistics.StatisticsClient.Ask(path, "/d"));
        Assert.Equal(MountError.Failed, e.Error);
    }
}
