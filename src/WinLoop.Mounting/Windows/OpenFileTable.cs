namespace WinLoop.Mounting.Windows;

/// <summary>The files that are open: counted, and listed for the end of the mount. Several lists, so that opens and
/// closes of different threads do not meet.</summary>
internal sealed class OpenFileTable
{
    private const int Stripes = 16;

    private readonly Stripe[] _stripes = [.. Enumerable.Range(0, Stripes).Select(_ => new Stripe())];
    private int _count;

    /// <summary>Files that are open now.</summary>
    public int Count => Volatile.Read(ref _count);

    public void Add(WindowsFile file)
    {
        file.Stripe = Environment.CurrentManagedThreadId & (Stripes - 1);
        Stripe stripe = _stripes[file.Stripe];
        lock (stripe.Lock)
        {
            file.Next = stripe.First;
            if (stripe.First is { } first)
            {
                first.Previous = file;
            }
            stripe.First = file;
        }
        Interlocked.Increment(ref _count);
    }

    public void Remove(WindowsFile file)
    {
        Stripe stripe = _stripes[file.Stripe];
        lock (stripe.Lock)
        {
            if (file.Previous is { } previous)
            {
                previous.Next = file.Next;
            }
            else
            {
                stripe.First = file.Next;
            }
            if (file.Next is { } next)
            {
                next.Previous = file.Previous;
            }
            file.Next = file.Previous = null;
        }
        Interlocked.Decrement(ref _count);
    }

    /// <summary>All of them now.</summary>
    public List<WindowsFile> Snapshot()
    {
        var files = new List<WindowsFile>();
        foreach (Stripe stripe in _stripes)
        {
            lock (stripe.Lock)
            {
                for (WindowsFile? file = stripe.First; file is not null; file = file.Next)
                {
                    files.Add(file);
                }
            }
        }
        return files;
    }

    private sealed class Stripe
    {
        public readonly Lock Lock = new();
        public WindowsFile? First;
    }
}
