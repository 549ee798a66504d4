using System.Globalization;
using WinLoop.Mounting;

namespace WinLoop.Cli.Output;

/// <summary>The answer of <c>info</c> as text.</summary>
internal static class InfoWriter
{
    internal static void Write(InfoAnswer answer, TextWriter writer)
    {
        Line(writer, "image", $"{answer.Image} ({(answer.Format is { } format ? format + ", a disk of " : "")}{Size(answer.Size)})");
        if (answer.PartitionTable != null)
        {
            WriteTable(answer, writer);
        }
        if (answer.Volume is { } volume)
        {
            WriteVolume(volume, writer);
        }
        foreach (string directory in answer.MountedOn)
        {
            Line(writer, "mounted on", directory);
        }
        writer.WriteLine(Printable.Text(answer.Mountable switch
        {
            "read-write" => "can be mounted read-write",
            "read-only" => $"can be mounted read-only: {answer.Reason}",
            _ => $"cannot be mounted: {answer.Reason}",
        }));
    }

    private static void WriteTable(InfoAnswer answer, TextWriter writer)
    {
        Line(writer, "partitions", answer.PartitionTable!);
        Table table = new Table("NUMBER", "START", "SIZE", "FS", "TYPE", "NAME").AlignRight(0, 1, 2);
        foreach (PartitionAnswer p in answer.Partitions)
        {
            table.Add(Number(p.Number), Number(p.Start), ByteSize.Format(p.Size), p.FileSystem ?? "-", p.TypeName ?? p.Type, p.Name ?? "-");
        }
        table.Write(writer, indent: "  ");
    }

    private static void WriteVolume(VolumeAnswer v, TextWriter writer)
    {
        if (v.Partition is { } number)
        {
            Line(writer, "partition", $"{Number(number)}, from byte {Number(v.Offset)}");
        }
        else if (v.Offset != 0)
        {
            Line(writer, "offset", Number(v.Offset));
        }
        Line(writer, "file system", v.Type + (v.Journal || v.Type == "ext2" ? "" : ", without a journal"));
        Line(writer, "label", v.Label.Length == 0 ? "-" : v.Label);
        Line(writer, "uuid", v.Uuid);
        Line(writer, "size", $"{Size(v.Size)}: {Number(v.Blocks)} blocks of {Number(v.BlockSize)} bytes");
        Line(writer, "free", $"{Size(v.Free)}, {Size(v.Reserved)} of it reserved for root");
        Line(writer, "inodes", $"{Number(v.Inodes)} of {Number(v.InodeSize)} bytes, {Number(v.FreeInodes)} free");
        Line(writer, "features", string.Join(' ', v.Features.Select(f => f.Name + (f.Support switch
        {
            "read-only" => " (read-only)",
            "no" => " (not supported)",
            _ => "",
        }))));
        Line(writer, "state", v.State + (v.Errors == 0 ? "" : $", {Number(v.Errors)} errors noted"));
        Time(writer, "created", v.Created);
        Time(writer, "last mounted", v.LastMounted, v.LastMountedOn);
        Time(writer, "last written", v.LastWritten);
        Time(writer, "last checked", v.LastChecked);
    }

    private static void Time(TextWriter writer, string name, DateTimeOffset? time, string? place = null)
    {
        if (time is { } t)
        {
            Line(writer, name, t.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture) + " UTC" + (place == null ? "" : $" on {place}"));
        }
    }

    private static string Size(long bytes) => bytes < 1024 ? $"{Number(bytes)} bytes" : $"{ByteSize.Format(bytes)}, {Number(bytes)} bytes";

    private static string Number(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);

    private static void Line(TextWriter writer, string name, string value) =>
        writer.WriteLine((name + ':').PadRight(14) + Printable.Text(value));
}
