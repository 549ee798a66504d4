using WinLoop.Ext4.Check;

namespace WinLoop.Ext4.Tests.Hostile;

/// <summary>What writing to one damaged image has led to.</summary>
/// <param name="Image">The seed image.</param>
/// <param name="Number">Which of the run.</param>
/// <param name="Mutations">The damage.</param>
/// <param name="Before">What the checker found before.</param>
/// <param name="Fresh">What it finds after, and did not find before.</param>
/// <param name="Wrong">What must never be; null if nothing.</param>
internal sealed record DamageOutcome(string Image, int Number, string Mutations, IReadOnlyList<Finding> Before, IReadOnlyList<Finding> Fresh, string? Wrong);

/// <summary>One worker: damages an image, checks it, mounts it writable, works in it, and checks it again.</summary>
internal sealed class DamageExecutor
{
    private const int Steps = 12;

    private readonly List<(HostileSeed Seed, ImageMutator Mutator, HostileDevice Device)> _seeds = [];
    private readonly CheckSession _session = new();
    private readonly byte[] _buffer = new byte[HostileWalk.BufferSize];

    public DamageExecutor(IEnumerable<HostileSeed> seeds)
    {
        foreach (HostileSeed seed in seeds)
        {
            _seeds.Add((seed, new ImageMutator(new ImageMap(seed)), new HostileDevice(seed.Image)));
        }
    }

    /// <summary>The image after the last run.</summary>
    public HostileDevice Device { get; private set; } = null!;

    /// <summary>Its journal has to be replayed.</summary>
    public bool NeedsRecovery { get; private set; }

    /// <summary>Runs one; null if it cannot be mounted writable.</summary>
    /// <param name="seed">Of the run.</param>
    /// <param name="number">Which.</param>
    /// <param name="before">Gets the damaged image before anything was written, and whether its journal has to be replayed.</param>
    public DamageOutcome? Run(int seed, int number, Action<ReadOnlySpan<byte>, bool>? before = null)
    {
        var random = new Random(unchecked((seed * 31) + number));
        int walk = random.Next();
        (_, ImageMutator mutator, HostileDevice device) = _seeds[number % _seeds.Count];
        device.Restore();
        mutator.Mutate(device, random);
        return Judge(number % _seeds.Count, number, walk, before);
    }

    /// <summary>Runs a recipe; null if it cannot be mounted writable.</summary>
    public DamageOutcome? Run(Recipe recipe)
    {
        int index = _seeds.FindIndex(s => s.Seed.Name == recipe.Seed);
        (HostileSeed seed, ImageMutator mutator, HostileDevice device) = _seeds[index];
        device.Restore();
        recipe.Apply(device, new ImageMap(seed), mutator);
        return Judge(index, -1, recipe.Walk, null);
    }

    private DamageOutcome? Judge(int index, int number, int walkSeed, Action<ReadOnlySpan<byte>, bool>? before)
    {
        (HostileSeed image, ImageMutator mutator, HostileDevice device) = _seeds[index];
        Device = device;
        _buffer.AsSpan().Clear();
        Finding[] found;
        try
        {
            device.IsReadOnly = true;
            CheckReport report = _session.Check(device);
            found = [.. report.Findings];
            NeedsRecovery = report.NeedsRecovery;
            device.IsReadOnly = false;
        }
        catch (Ext4NotSupportedException)
        {
            return null;
        }
        before?.Invoke(device.Bytes.AsSpan(0, (int)device.Length), NeedsRecovery);
        string? wrong = null;
        try
        {
            using Ext4Volume volume = Ext4Volume.Mount(device, new Ext4MountOptions { UseBackgroundCommit = false, CacheBytes = 1 << 20, CachedInodes = 64 });
            if (volume.IsReadOnly)
            {
                return null;
            }
            device.Zone = new SystemZone(device.Bytes);
            var walk = new HostileWalk(volume, new Random(walkSeed), _buffer);
            walk.ReadAll();
            walk.Change(Steps);
            wrong = walk.WentOn;
        }
        catch (Exception e) when (HostileWalk.IsHonest(e))
        {
            if (device.Changes == 0)
            {
                return null;
            }
        }
        if (device.ZoneWrites > 0)
        {
            wrong = $"content was written over system blocks {device.ZoneWrites} times";
        }
        device.IsReadOnly = true;
        var known = found.Select(Key).ToHashSet();
        CheckReport again = _session.Check(device);
        NeedsRecovery = again.NeedsRecovery;
        Finding[] fresh = [.. again.Findings.Where(f => f.Severity == FindingSeverity.Error && !known.Contains(Key(f)))];
        return new DamageOutcome(image.Name, number, new Recipe(image.Name, mutator.Log, walkSeed).ToString(), found, fresh, wrong);
    }

    // Of an inode or a group a finding may come to name another block.
    private static (FindingCode, uint?, ulong?, uint?) Key(Finding finding) =>
        (finding.Code, finding.Inode, finding.Inode is null && finding.Group is null ? finding.Block : null, finding.Group);
}
