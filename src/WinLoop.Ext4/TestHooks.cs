using WinLoop.Ext4.Format;

namespace WinLoop.Ext4;

/// <summary>
/// What only a test may ask of an engine. Null in production (<see cref="Ext4MountOptions.Hooks"/>); no public member
/// leads here.
/// </summary>
internal sealed class TestHooks
{
    [ThreadStatic]
    private static Func<Timestamp>? t_clock;

    /// <summary>The clock of the calling thread; null for the wall clock. With it and <see cref="FirstGeneration"/> a
    /// workload of one thread writes the same bytes each time it runs.</summary>
    public static Func<Timestamp>? Clock
    {
        get => t_clock;
        set => t_clock = value;
    }

    /// <summary>Where the generation numbers of new inodes begin.</summary>
    public uint FirstGeneration { get; init; }

    /// <summary>Tells of sleep in place of the system's clocks.</summary>
    public Suspend.SleepClock? SleepClock { get; init; }

    /// <summary>Every handle is a transaction of its own, so that a cut can come between any two.</summary>
    public bool CommitsEachHandle { get; init; }

    /// <summary>A defect for the crash test to catch: no inode is put on the orphan list.</summary>
    public bool SkipsOrphans { get; init; }
}
