using System.CommandLine;
using WinLoop.Cli.Diagnosis;
using WinLoop.Cli.Output;

namespace WinLoop.Cli.Commands;

/// <summary><c>winloop doctor</c>: is everything there that mounts need; each item with what to do if not.</summary>
internal static class DoctorCommand
{
    internal static Command Create()
    {
        var command = new Command("doctor", "Looks whether everything is there that mounts need, and says what to do if not.");
        command.Action = new CommandTree.CommandAction((_, report) =>
        {
            IReadOnlyList<CheckedItem> items = Doctor.Examine();
            bool isHealthy = items.All(i => i.State != ItemState.Broken);
            var answer = new DoctorAnswer(isHealthy, VersionAction.Version, [.. items.Select(i => new DoctorItem(i.Name, i.State switch
            {
                ItemState.Fine => "ok",
                ItemState.Odd => "warning",
                _ => "broken",
            }, i.Finding, i.Remedy))]);
            report.Answer(answer, () => AnswerJson.Readable.DoctorAnswer, writer => Write(answer, writer));
            return isHealthy ? 0 : (int)Mounting.MountError.HostMissing;
        });
        return command;
    }

    private static void Write(DoctorAnswer answer, TextWriter writer)
    {
        foreach (DoctorItem item in answer.Items)
        {
            writer.WriteLine($"{item.State.ToUpperInvariant(),-8} {item.Name}: {Printable.Text(item.Finding)}");
            if (item.Remedy is not null)
            {
                writer.WriteLine("         " + Printable.Text(item.Remedy));
            }
        }
    }
}
