namespace WinLoop.Cli.Output;

/// <summary>Columns as wide as their longest cell, two spaces apart; the last one is not padded.</summary>
internal sealed class Table(params string[] headings)
{
    private readonly List<string[]> _rows = [];
    private readonly HashSet<int> _right = [];

    /// <summary>Aligns columns of numbers to the right.</summary>
    internal Table AlignRight(params int[] columns)
    {
        _right.UnionWith(columns);
        return this;
    }

    internal void Add(params string[] cells) => _rows.Add([.. cells.Select(Printable.Text)]);

    internal void Write(TextWriter writer, bool withHeadings = true, string indent = "")
    {
        List<string[]> rows = withHeadings ? [headings, .. _rows] : _rows;
        int[] widths = [.. headings.Select((_, column) => rows.Max(row => row[column].Length))];
        foreach (string[] row in rows)
        {
            IEnumerable<string> cells = row.Select((cell, column) =>
                _right.Contains(column) ? cell.PadLeft(widths[column])
                : column == row.Length - 1 ? cell : cell.PadRight(widths[column]));
            writer.WriteLine(indent + string.Join("  ", cells));
        }
    }
}
