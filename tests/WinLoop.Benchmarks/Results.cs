using System.Text;

namespace WinLoop.Benchmarks;

/// <summary>Figures by workload and peer, and the table that is made of them.</summary>
internal sealed class Results
{
    private sealed record Row(string Unit, bool HigherIsBetter, Dictionary<string, List<double>> Values);

    private readonly List<string> _order = [];
    private readonly Dictionary<string, Row> _rows = [];

    public void Add(string workload, string peer, double value, string unit, bool higherIsBetter)
    {
        if (!_rows.TryGetValue(workload, out Row? row))
        {
            _rows[workload] = row = new Row(unit, higherIsBetter, []);
            _order.Add(workload);
        }
        if (!row.Values.TryGetValue(peer, out List<double>? values))
        {
            row.Values[peer] = values = [];
        }
        values.Add(value);
    }

    /// <summary>Median (best) of each peer, and the ratio of medians to the first peer; above 1 is better.</summary>
    public string ToMarkdown(string[] peers)
    {
        var text = new StringBuilder("| workload | unit |");
        text.Append(string.Concat(peers.Select((p, i) => i == 0 ? $" {p} |" : $" {p} | ratio |"))).AppendLine();
        text.Append("|---|---|").Append(string.Concat(peers.Select((_, i) => i == 0 ? "---|" : "---|---|"))).AppendLine();
        foreach (string name in _order)
        {
            Row row = _rows[name];
            text.Append($"| {name} | {row.Unit} |");
            double first = row.Values.TryGetValue(peers[0], out List<double>? baseline) ? Median(baseline) : 0;
            for (int i = 0; i < peers.Length; i++)
            {
                if (!row.Values.TryGetValue(peers[i], out List<double>? values))
                {
                    text.Append(i == 0 ? " - |" : " - | - |");
                    continue;
                }
                double median = Median(values), best = row.HigherIsBetter ? values.Max() : values.Min();
                text.Append($" {Number(median)} ({Number(best)}) |");
                if (i > 0)
                {
                    text.Append(first == 0 ? " - |" : $" {(row.HigherIsBetter ? median / first : first / median):0.00}x |");
                }
            }
            text.AppendLine();
        }
        return text.ToString();
    }

    private static double Median(List<double> values)
    {
        var sorted = values.Order().ToList();
        return sorted.Count % 2 == 1 ? sorted[sorted.Count / 2] : (sorted[(sorted.Count / 2) - 1] + sorted[sorted.Count / 2]) / 2;
    }

    private static string Number(double value) => value >= 100 ? value.ToString("#,##0") : value.ToString("0.00");
}
