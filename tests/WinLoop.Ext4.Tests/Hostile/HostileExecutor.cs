using System.Diagnostics;
using WinLoop.Ext4.Format;

namespace WinLoop.Ext4.Tests.Hostile;

/// <summary>One worker: damages one seed image after the other and judges what the engine makes of it.</summary>
internal sealed class HostileExecutor
{
    private const int MaxReads = 300_000;

    // The wall's clock counts what other programs do, too.
    private static readonly TimeSpan s_maxProcessorTime = TimeSpan.FromSeconds(2);

    private readonly List<(HostileSeed Seed, ImageMutator Mutator, HostileDevice Device)> _seeds = [];

    private readonly byte[] _buffer = new byte[HostileWalk.BufferSize];
    private Random _random = new(0);
    private long _mostAllocated;

    public HostileExecutor(IEnumerable<HostileSeed> seeds)
    {
        foreach (HostileSeed seed in seeds)
        {
            _seeds.Add((seed, new ImageMutator(new ImageMap(seed)), new HostileDevice(seed.Image)));
        }
    }

    /// <summary>When the current execution began (Stopwatch ticks); 0 between two.</summary>
    public long Since;

    /// <summary>The number of the current execution.</summary>
    public long Current;

    /// <summary>Executions that mounted, and that mounted writable.</summary>
    public int Mounted, Writable;

    /// <summary>How many mutations the last execution had to choose from.</summary>
    public int Mutations { get; private set; }

    /// <summary>The most bytes that one mount allocated.</summary>
    public long MostAllocated { get; private set; }

    /// <summary>The longest execution.</summary>
    public TimeSpan Longest { get; private set; }

    /// <summary>The same in time of the processor.</summary>
    public TimeSpan LongestProcessorTime { get; private set; }

    /// <summary>Runs one; null or what is wrong.</summary>
    /// <param name="seed">Of the campaign.</param>
    /// <param name="iteration">Which.</param>
    /// <param name="mask">The mutations that are made, a bit each.</param>
    public string? Run(int seed, long iteration, int mask = -1)
    {
        var random = new Random(HashCode(seed, iteration));
        int number = random.Next(_seeds.Count), walk = random.Next();
        (_, ImageMutator mutator, HostileDevice device) = _seeds[number];
        device.Restore();
        mutator.Mutate(device, random, mask);
        Mutations = mutator.Count;
        return Judge(number, iteration, walk);
    }

    /// <summary>Runs a recipe; null or what is wrong.</summary>
    public string? Run(Recipe recipe)
    {
        int number = _seeds.FindIndex(s => s.Seed.Name == recipe.Seed);
        (HostileSeed seed, ImageMutator mutator, HostileDevice device) = _seeds[number];
        device.Restore();
        recipe.Apply(device, new ImageMap(seed), mutator);
        return Judge(number, -1, recipe.Walk);
    }

    private string? Judge(int number, long iteration, int walk)
    {
        (HostileSeed image, ImageMutator mutator, HostileDevice device) = _seeds[number];
        _random = new Random(walk);
        _buffer.AsSpan().Clear();
        _mostAllocated = 0;
        Current = iteration;
        long start = Stopwatch.GetTimestamp();
        Volatile.Write(ref Since, start);
        string? wrong = null;
        string phase = "read-only";
        TimeSpan processor = ThreadClock.Now;
        int reads = 0;
        try
        {
            device.IsReadOnly = true;
            Use(device, isReadOnly: true);
            if (device.Changes != 0)
            {
                wrong = $"{device.Changes} changes by a read-only mount";
            }
            reads = device.Reads;
            phase = "writable";
            device.IsReadOnly = false;
            wrong ??= Use(device, isReadOnly: false);
            if (wrong is null)
            {
                phase = "again";
                device.IsReadOnly = true;
                Use(device, isReadOnly: true);
            }
        }
        catch (Exception e) when (!HostileWalk.IsHonest(e))
        {
            wrong = e.ToString();
        }
        processor = ThreadClock.Now - processor;
        LongestProcessorTime = processor > LongestProcessorTime ? processor : LongestProcessorTime;
        if (wrong is null && processor > s_maxProcessorTime)
        {
            wrong = $"took {processor.TotalMilliseconds:F0} ms of processor time";
        }
        Volatile.Write(ref Since, 0);
        TimeSpan elapsed = Stopwatch.GetElapsedTime(start);
        Longest = elapsed > Longest ? elapsed : Longest;
        MostAllocated = Math.Max(MostAllocated, _mostAllocated);
        // All that a mount allocated, garbage too: what lives is less.
        if (wrong is null && _mostAllocated > (64 << 20) + (4L * image.Image.Length))
        {
            wrong = $"{_mostAllocated >> 20} MiB allocated by one mount";
        }
        if (wrong is null && device.Reads > MaxReads)
        {
            wrong = $"{device.Reads} reads ({reads} read-only)";
        }
        return wrong is null ? null : $"iteration {iteration}, {image.Name}, {phase}: {wrong}\n{new Recipe(image.Name, mutator.Log, walk)}";
    }

    private string? Use(HostileDevice device, bool isReadOnly)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            return UseOnce(device, isReadOnly);
        }
        finally
        {
            _mostAllocated = Math.Max(_mostAllocated, GC.GetAllocatedBytesForCurrentThread() - before);
        }
    }

    private string? UseOnce(HostileDevice device, bool isReadOnly)
    {
        Ext4Volume volume;
        try
        {
            volume = Ext4Volume.Mount(device, new Ext4MountOptions
            {
                IsReadOnly = isReadOnly,
                UseBackgroundCommit = false,
                CacheBytes = 1 << 20,
                CachedInodes = 64,
            });
        }
        catch (Exception e) when (HostileWalk.IsHonest(e))
        {
            return null;
        }
        bool wasReadOnly = volume.IsReadOnly;
        Mounted++;
        int changesAtMount = device.MetadataChanges;
        bool wasActive = false;
        try
        {
            var walk = new HostileWalk(volume, _random, _buffer);
            walk.ReadAll();
            if (!wasReadOnly)
            {
                Writable++;
                walk.Change(12);
            }
            wasActive = volume.Journal.IsActive;
        }
        finally
        {
            DisposeHonestly(volume);
        }
        // A commit reports a defect as EIO; the reason tells.
        if (volume.Journal.AbortReason is { } reason && !HostileWalk.IsHonest(reason))
        {
            return reason.ToString();
        }
        if (!wasActive && device.MetadataChanges != changesAtMount)
        {
            return "changes though nothing was changed";
        }
        // A volume that stopped writing is never marked as clean afterwards.
        if (wasActive && volume.IsReadOnly && IsMarkedClean(device, volume))
        {
            return $"marked clean after an abort ({volume.ReadOnlyReason})";
        }
        return null;
    }

    private static void DisposeHonestly(Ext4Volume volume)
    {
        try
        {
            volume.Dispose();
        }
        catch (Exception e) when (HostileWalk.IsHonest(e))
        {
            // The commit at the end may find the damage.
        }
    }

    private static bool IsMarkedClean(HostileDevice device, Ext4Volume volume)
    {
        var superblock = new Superblock(device.Bytes.AsSpan(Superblock.Offset, Superblock.Size));
        return superblock.Magic == Superblock.MagicValue && (superblock.State & Superblock.StateError) == 0 &&
            (volume.Geometry.Has(CompatFeatures.HasJournal)
                ? !superblock.Has(IncompatFeatures.Recover)
                : (superblock.State & Superblock.StateValid) != 0);
    }

    private static int HashCode(int seed, long iteration) => unchecked((int)(((ulong)seed * 0x9E3779B97F4A7C15) ^ ((ulong)iteration * 0xC2B2AE3D27D4EB4F) >> 16));
}
