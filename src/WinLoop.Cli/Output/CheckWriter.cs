namespace WinLoop.Cli.Output;

/// <summary>The answer of <c>check</c> as text: a line per finding, then what it comes to.</summary>
internal static class CheckWriter
{
    internal static void Write(CheckAnswer answer, TextWriter writer)
    {
        WriteFindings(answer.Findings, writer);
        if (answer.Truncated)
        {
            writer.WriteLine("and more of the kind");
        }
        string name = Path.GetFileName(answer.Image);
        writer.WriteLine(Printable.Text($"{name}: {answer.UsedInodes} of {answer.Inodes} inodes, {answer.UsedBlocks} of {answer.Blocks} blocks in use, {answer.Directories} directories"));
        if (answer.Repair is not { } repair)
        {
            writer.WriteLine(Printable.Text($"{name}: {Verdict(answer)}"));
            return;
        }
        foreach (string action in repair.Actions)
        {
            writer.WriteLine(Printable.Text($"repair: {action}"));
        }
        if (repair.Done)
        {
            writer.WriteLine(Printable.Text($"{name}: repaired"));
        }
        else if (answer.Errors == 0 && answer.Pending == 0 && !answer.NeedsRecovery)
        {
            writer.WriteLine(Printable.Text($"{name}: {Verdict(answer)}, nothing to repair"));
        }
        else
        {
            writer.WriteLine("After that, this would be left:");
            WriteFindings(repair.Left, writer);
            writer.WriteLine(Printable.Text($"{name}: could not be repaired, and is as it was"));
        }
    }

    private static string Verdict(CheckAnswer answer)
    {
        if (answer.Errors > 0)
        {
            return answer.Errors == 1 ? "damaged, 1 error" : $"damaged, {answer.Errors} errors" + (answer.Incomplete ? " or more" : "");
        }
        return answer.NeedsRecovery || answer.Pending > 0 ? "sound; was not unmounted, the next mount puts in order what is pending" : "clean";
    }

    private static void WriteFindings(IReadOnlyList<FindingAnswer> findings, TextWriter writer)
    {
        foreach (FindingAnswer finding in findings)
        {
            string where = finding.Inode is { } inode ? $"inode {inode}: " : finding.Group is { } group ? $"group {group}: " : finding.Block is { } block ? $"block {block}: " : "";
            string severity = finding.Severity == "error" ? "" : $" ({finding.Severity})";
            writer.WriteLine(Printable.Text($"pass {finding.Pass}: {where}{finding.Text}{severity}"));
        }
    }
}
