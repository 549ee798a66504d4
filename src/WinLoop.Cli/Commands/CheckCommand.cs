using System.CommandLine;
using WinLoop.Cli.Output;
using WinLoop.Ext4.Check;
using WinLoop.Ext4.Check.Repair;
using WinLoop.Mounting;
using WinLoop.Mounting.Registry;

namespace WinLoop.Cli.Commands;

/// <summary><c>winloop check IMAGE</c>: is the file system in an image consistent; changes nothing unless asked to repair.</summary>
internal static class CheckCommand
{
    private const int FindingsShown = 10_000, MaximumThreads = 256;

    internal static Command Create()
    {
        var image = new Argument<string>("IMAGE") { Description = "The image file, or a block device; it must not be mounted." };
        var partition = new Option<int?>("--partition", "-p") { Description = "Number of the partition; the only one with ext is found by itself.", HelpName = "N" };
        var offset = new Option<string?>("--offset") { Description = "Where the volume starts in the image, in bytes or with K, M, G, T.", HelpName = "N" };
        var sizeLimit = new Option<string?>("--sizelimit") { Description = "How much of the image is used, in bytes or with K, M, G, T.", HelpName = "N" };
        var repair = new Option<bool>("--repair") { Description = "Repair what can be repaired without losing anything." };
        var yes = new Option<bool>("--yes", "-y") { Description = "With --repair: also remove damaged directory entries, and move what lost its name to lost+found." };
        var threads = new Option<int>("--threads") { Description = "Threads to use; 0 = one per processor.", HelpName = "N" };
        var command = new Command("check", "Checks whether the file system in an image is consistent.") { image, partition, offset, sizeLimit, repair, yes, threads };
        command.Action = new CommandTree.CommandAction((parsed, report) =>
        {
            string path = Path.GetFullPath(parsed.GetRequiredValue(image));
            bool isRepair = parsed.GetValue(repair);
            if (parsed.GetValue(yes) && !isRepair)
            {
                throw new MountException(MountError.Usage, "check", "--yes is for --repair", "Leave it out, or repair.");
            }
            int threadCount = parsed.GetValue(threads);
            if (threadCount is < 0 or > MaximumThreads)
            {
                throw new MountException(MountError.Usage, "check", $"--threads is {threadCount}", $"Give a number from 0 to {MaximumThreads}; 0 is one thread per processor.");
            }
            List<string> list = isRepair ? [] : ["ro"];
            list.AddRange(parsed.GetValue(offset) is { } o ? ["offset=" + o] : []);
            list.AddRange(parsed.GetValue(sizeLimit) is { } l ? ["sizelimit=" + l] : []);
            MountOptions options = MountOptionParser.Parse(string.Join(',', list), new MountOptions(), []);
            return Run(path, parsed.GetValue(partition), options, isRepair, parsed.GetValue(yes), threadCount, report);
        });
        return command;
    }

    private static int Run(string path, int? partition, MountOptions options, bool isRepair, bool mayDiscard, int threads, Report report)
    {
        string what = $"cannot {(isRepair ? "repair" : "check")} {path}";
        try
        {
            var notes = new List<string>();
            OpenedImage opened = ImageOpener.Open(path, partition, options, what, notes);
            using Storage.IBlockDevice device = opened.Volume;
            foreach (string note in notes)
            {
                report.Note(Printable.Text(note));
            }
            if (isRepair && device.IsReadOnly)
            {
                throw new MountException(MountError.Denied, what, opened.ReadOnlyReason ?? "the image is read-only", "Make the image writable, or leave --repair out.");
            }
            using var progress = new ProgressLine(isShown: !report.IsJson && !report.IsQuiet);
            var checkOptions = new CheckOptions { Threads = threads, MaximumFindings = FindingsShown, Progress = progress.Show };
            CheckAnswer answer;
            if (isRepair)
            {
                RepairReport done = Ext4Repair.Repair(device, new RepairOptions { MayDiscard = mayDiscard, Check = checkOptions });
                answer = CheckAnswer.From(opened, done.Before, done);
            }
            else
            {
                answer = CheckAnswer.From(opened, Ext4Checker.Check(device, checkOptions), null);
            }
            progress.Dispose();
            report.Answer(answer, () => AnswerJson.Readable.CheckAnswer, writer => CheckWriter.Write(answer, writer));
            return answer.Clean ? 0 : (int)MountError.Damaged;
        }
        catch (Exception e)
        {
            throw BusyImage.NameHolder(Failures.Explain(e, what), path, what);
        }
    }
}
