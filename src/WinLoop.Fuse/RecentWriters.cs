namespace WinLoop.Fuse;

/// <summary>
/// The files written last. Where the kernel opens and closes files without telling, a file that has not been
/// written to for a while counts as closed: the engine may take back what it set aside for its growth.
/// </summary>
internal sealed class RecentWriters(NodeTable nodes)
{
    // As many files may grow at the same time before they disturb each other.
    private const int Capacity = 8;

    private readonly Node?[] _recent = new Node?[Capacity];
    private readonly Lock _gate = new();
    private int _next;

    /// <summary>Notes a write.</summary>
    public void Add(Node node)
    {
        foreach (Node? known in _recent)
        {
            if (known == node)
            {
                return;
            }
        }
        Node? oldest;
        lock (_gate)
        {
            if (Array.IndexOf(_recent, node) >= 0)
            {
                return;
            }
            oldest = _recent[_next];
            _recent[_next] = node;
            _next = (_next + 1) % Capacity;
        }
        if (oldest is not null)
        {
            nodes.Settle(oldest);
        }
    }
}
