using System.CommandLine;
using WinLoop.Cli.Output;
using WinLoop.Cli.Serving;
using WinLoop.Mounting;
using WinLoop.Mounting.Registry;
using WinLoop.Service;

namespace WinLoop.Cli.Commands;

/// <summary><c>winloop list</c>: the mounts this user can see.</summary>
internal static class ListCommand
{
    internal static Command Create()
    {
        var noHeadings = new Option<bool>("--no-headings", "-n") { Description = "Print no line of headings." };
        var command = new Command("list", "Lists the mounted images.") { noHeadings };
        command.Action = new CommandTree.CommandAction((parsed, report) => Run(!parsed.GetValue(noHeadings), report));
        return command;
    }

    private static int Run(bool withHeadings, Report report)
    {
        List<ListedMount> mounts = [.. MountRegistry.ListAll().Select(Describe).Concat(ServiceMounts.List().Select(Describe)).OrderBy(m => m.Directory, StringComparer.Ordinal)];
        report.Answer(new ListAnswer(mounts), () => AnswerJson.Readable.ListAnswer, writer =>
        {
            if (mounts.Count == 0)
            {
                return;
            }
            Table table = new Table("DIRECTORY", "MODE", "SIZE", "FREE", "PART", "LABEL", "STATE", "IMAGE").AlignRight(2, 3, 4);
            foreach (ListedMount m in mounts)
            {
                table.Add(m.Directory.Length == 0 ? "-" : m.Directory, m.ReadOnly ? "ro" : "rw", ByteSize.Format(m.Size), m.Free is { } free ? ByteSize.Format(free) : "-",
                    m.Partition?.ToString() ?? "-", m.Label.Length == 0 ? "-" : m.Label, m.State, m.Image);
            }
            table.Write(writer, withHeadings);
        });
        return 0;
    }

    private static ListedMount Describe(KnownMount mount)
    {
        MountRecord r = mount.Record;
        return new ListedMount(r.Directory, r.Image, r.Partition, r.Offset, r.Size,
            mount.State == MountState.Mounted ? FreeSpace(r.Directory) : null, r.Label, r.Uuid, r.ReadOnly, r.ReadOnlyReason,
            mount.State.ToString().ToLowerInvariant(), r.FileSystem, r.Device, r.Owner, r.Pid, r.Since,
            Service: false, Kept: false, Reason: null, OwnerSid: null);
    }

    private static ListedMount Describe(ServiceMount m) => new(m.Directory, m.Image, m.Partition, m.Offset, m.Size, m.Free, m.Label, m.Uuid, m.ReadOnly,
        m.ReadOnlyReason, m.State, m.FileSystem, m.Device, uint.TryParse(m.Owner, out uint uid) ? uid : 0, m.Pid, m.Since,
        Service: true, m.Kept, m.Reason, m.Owner.StartsWith("S-", StringComparison.Ordinal) ? m.Owner : null);

    private static long? FreeSpace(string directory)
    {
        try
        {
            return new DriveInfo(directory).AvailableFreeSpace;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
