namespace WinLoop.Cli.Output;

/// <summary>Prints the answer of <c>mount</c>: the directory, and nothing else, on stdout.</summary>
internal static class MountAnswerWriter
{
    internal static void Write(MountAnswer mount, Report report)
    {
        report.Answer(mount, () => AnswerJson.Readable.MountAnswer, writer => writer.WriteLine(mount.Directory));
        string volume = mount.Partition is { } number ? $", partition {number}" : "";
        string label = mount.Label.Length == 0 ? "" : $" \"{mount.Label}\"";
        string mode = !mount.ReadOnly ? "read-write" : mount.ReadOnlyReason == null ? "read-only" : $"read-only: {mount.ReadOnlyReason}";
        string overlay = mount.Overlay switch
        {
            null => "",
            "memory" => "; what is written is lost at the unmount",
            _ => $"; what is written goes into {mount.Overlay}",
        };
        report.Note(Printable.Text($"Mounted {Path.GetFileName(mount.Image)}{volume}{label}, {mode}{(mount.ReadOnly ? "" : overlay)}."));
        if (mount.Sha256 is { } hash)
        {
            report.Note(Printable.Text($"SHA-256 of {mount.Image} before: {hash}."));
        }
    }
}
