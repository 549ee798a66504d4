using System.CommandLine;
using System.Globalization;
using WinLoop.Cli.Output;
using WinLoop.Mounting;
using WinLoop.Mounting.Scan;
using WinLoop.Storage;

namespace WinLoop.Cli.Commands;

/// <summary><c>winloop scan</c>: the ext file systems on the disks of this machine.</summary>
internal static class ScanCommand
{
    private static string RightsHint => OperatingSystem.IsWindows()
        ? "Windows lets only administrators look into disks: run it in a terminal that was started as administrator."
        : "Only root, or members of the group that owns the disks (mostly 'disk'), can look into them.";

    internal static Command Create()
    {
        var noHeadings = new Option<bool>("--no-headings", "-n") { Description = "Print no line of headings." };
        var command = new Command("scan", "Lists the ext file systems on the disks of this machine; changes nothing.") { noHeadings };
        command.Action = new CommandTree.CommandAction((parsed, report) => Run(!parsed.GetValue(noHeadings), report));
        return command;
    }

    private static int Run(bool withHeadings, Report report)
    {
        (IReadOnlyList<ScannedDisk> disks, IReadOnlyList<FoundVolume> volumes) = DiskScanner.Scan();
        ScannedDisk[] denied = [.. disks.Where(d => d.Error == BlockDeviceError.Denied)];
        if (denied.Length > 0 && disks.All(d => d.Error != null))
        {
            throw new MountException(MountError.Denied, "cannot scan", $"no permission to read {string.Join(", ", denied.Take(4).Select(d => d.Path))}" +
                (denied.Length > 4 ? $" and {denied.Length - 4} more disks" : ""), RightsHint);
        }
        foreach (ScannedDisk disk in disks.Where(d => d.Problem != null && d.Error != BlockDeviceError.Denied))
        {
            report.Note(Printable.Text(disk.Problem!.Contains(disk.Path, StringComparison.Ordinal) ? disk.Problem : $"{disk.Path}: {disk.Problem}"));
        }
        if (denied.Length > 0)
        {
            report.Note(Printable.Text($"No permission to read {string.Join(", ", denied.Select(d => d.Path))}. {RightsHint}"));
        }
        ScanAnswer answer = ScanAnswer.From(disks, volumes);
        report.Answer(answer, () => AnswerJson.Readable.ScanAnswer, writer => Write(answer, withHeadings, writer));
        if (volumes.Count == 0)
        {
            report.Note($"No ext file system on {disks.Count} {(disks.Count == 1 ? "disk" : "disks")}.");
        }
        return 0;
    }

    private static void Write(ScanAnswer answer, bool withHeadings, TextWriter writer)
    {
        if (answer.Volumes.Count == 0)
        {
            return;
        }
        Table table = new Table("DISK", "PART", "NAME", "SIZE", "TYPE", "LABEL", "UUID", "STATE", "MOUNTED").AlignRight(1, 3);
        foreach (FoundVolumeAnswer v in answer.Volumes)
        {
            string use = v.MountedOn.Count > 0 ? string.Join(", ", v.MountedOn) : v.UsedBy != null ? $"used by {v.UsedBy}" : "-";
            table.Add(v.Disk, v.Partition?.ToString(CultureInfo.InvariantCulture) ?? "-", v.Name ?? "-", ByteSize.Format(v.Size), v.Type ?? "ext",
                v.Label is { Length: > 0 } label ? label : "-", v.Uuid ?? "-", v.Mountable == "no" && v.Reason != null ? $"{v.State}: {v.Reason}" : v.State, use);
        }
        table.Write(writer, withHeadings);
    }
}
