namespace WinLoop.Ext4.Check;

/// <summary>Collects findings from all threads, up to a limit.</summary>
internal sealed class FindingSink
{
    private readonly List<Finding> _list = [];
    private readonly Lock _lock = new();
    private int _limit;

    public int Errors { get; private set; }

    public int Pending { get; private set; }

    public bool IsTruncated { get; private set; }

    /// <summary>Severity of wrong totals in the superblock: they are stale on a volume that was not unmounted.</summary>
    public bool TotalsArePending { get; set; }

    public void Start(int limit)
    {
        _list.Clear();
        _limit = limit;
        Errors = Pending = 0;
        IsTruncated = TotalsArePending = false;
    }

    public void Add(int pass, FindingCode code, string text, uint? inode = null, ulong? block = null, uint? group = null)
    {
        FindingSeverity severity = TotalsArePending && (code is FindingCode.FreeBlocks or FindingCode.FreeInodes)
            ? FindingSeverity.Pending : FindingCodes.SeverityOf(code);
        lock (_lock)
        {
            Errors += severity == FindingSeverity.Error ? 1 : 0;
            Pending += severity == FindingSeverity.Pending ? 1 : 0;
            if (_list.Count < _limit)
            {
                _list.Add(new Finding(pass, code, severity, inode, block, group, text));
            }
            else
            {
                IsTruncated = true;
            }
        }
    }

    /// <summary>What was found, by pass, then by place: the order does not depend on threads.</summary>
    public Finding[] ToSorted()
    {
        Finding[] findings = [.. _list];
        Array.Sort(findings, static (a, b) =>
        {
            int order = a.Pass.CompareTo(b.Pass);
            order = order != 0 ? order : Nullable.Compare(a.Group, b.Group);
            order = order != 0 ? order : Nullable.Compare(a.Inode, b.Inode);
            order = order != 0 ? order : Nullable.Compare(a.Block, b.Block);
            order = order != 0 ? order : a.Code.CompareTo(b.Code);
            return order != 0 ? order : string.CompareOrdinal(a.Text, b.Text);
        });
        return findings;
    }
}
