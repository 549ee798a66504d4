using System.CommandLine;
using System.Globalization;
using WinLoop.Cli.Output;
using WinLoop.Mounting;
using WinLoop.Mounting.Control;
using WinLoop.Mounting.Registry;
using WinLoop.Mounting.Statistics;
using WinLoop.Service.Client;

namespace WinLoop.Cli.Commands;

/// <summary><c>winloop stat DIR</c>: what the queues of a mount have done.</summary>
internal static class StatCommand
{
    internal static Command Create()
    {
        var target = new Argument<string>("DIR") { Description = "The mount point, or the image that is mounted." };
        var command = new Command("stat", "Shows the requests of a mount: counts, bytes and latencies.") { target };
        command.Action = new CommandTree.CommandAction((parsed, report) => Run(parsed.GetRequiredValue(target), report));
        return command;
    }

    private static int Run(string target, Report report)
    {
        string what = "cannot get the figures of " + target;
        KnownMount mount = MountFinder.Find(target, what);
        if (mount.State == MountState.Dead)
        {
            throw new MountException(MountError.Failed, what, "its serving process has died", $"Undo the mount with 'winloop unmount {target}'.");
        }
        MountStatistics statistics = mount.Record.ServiceId is { } id ? AskService(id, what) : OperatingSystem.IsWindows()
            ? ControlPipe.Ask(ControlPipe.NameOf(mount.Record.Id), ControlCommand.Statistics, what).Statistics ?? new MountStatistics()
            : StatisticsClient.Ask(mount.Registry.SocketPath(mount.Record.Id), target);
        report.Answer(statistics, () => AnswerJson.Readable.MountStatistics, writer => Write(statistics, writer));
        return 0;
    }

    private static MountStatistics AskService(string id, string what)
    {
        using ServiceClient client = ServiceClient.Connect(what);
        return client.Statistics(id);
    }

    private static void Write(MountStatistics statistics, TextWriter writer)
    {
        writer.WriteLine(Printable.Text($"{statistics.Image} on {statistics.Directory}, " +
            $"mounted for {Number(statistics.Seconds)} s, peak memory {ByteSize.Format(statistics.PeakMemory)}"));
        foreach (QueueFigures queue in statistics.Queues)
        {
            writer.WriteLine();
            writer.WriteLine($"{queue.Name} queue: {queue.InFlight} of {queue.Depth} in flight, {queue.Requeues} requeued, {queue.TagWaits} waited for a tag");
            Table table = new Table("OPERATION", "COUNT", "ERRORS", "BYTES", "P50 us", "P99 us", "MAX us").AlignRight(1, 2, 3, 4, 5, 6);
            foreach (OperationFigures o in queue.Operations)
            {
                table.Add(o.Name, Number(o.Count), Number(o.Errors), ByteSize.Format(o.Bytes), Number(o.P50), Number(o.P99), Number(o.Max));
            }
            table.Write(writer, indent: "  ");
        }
        if (statistics.Engine.Count > 0)
        {
            writer.WriteLine();
            writer.WriteLine("engine:");
            Table table = new Table("FIGURE", "VALUE").AlignRight(1);
            foreach ((string name, long value) in statistics.Engine)
            {
                table.Add(name, Number(value));
            }
            table.Write(writer, withHeadings: false, indent: "  ");
        }
    }

    private static string Number(double value) => value.ToString("0.#", CultureInfo.InvariantCulture);
}
