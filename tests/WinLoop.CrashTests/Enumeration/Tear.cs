using WinLoop.Storage;

namespace WinLoop.CrashTests;

/// <summary>Which sectors of a torn write have reached the disk; the others hold what they held.</summary>
internal enum TearPattern : byte
{
    /// <summary>All of them.</summary>
    Whole,
    /// <summary>The first half, at least one.</summary>
    Prefix,
    /// <summary>The second half.</summary>
    Suffix,
    /// <summary>The first, third, ...</summary>
    Even,
    /// <summary>The second, fourth, ...</summary>
    Odd,
    /// <summary>By the seed.</summary>
    Random,
}

/// <summary>How a write is torn.</summary>
/// <param name="Pattern">Which sectors are there.</param>
/// <param name="Unit">Bytes of a sector: 512 or 4096.</param>
/// <param name="Seed">For <see cref="TearPattern.Random"/>.</param>
internal readonly record struct Tear(TearPattern Pattern, int Unit = 512, int Seed = 0)
{
    /// <summary>True if a write of a certain place and length has more than one sector.</summary>
    public static bool IsPossible(RecordedOperation operation, int unit) =>
        operation.Kind == RecordedKind.Write && operation.Offset / unit != (operation.Offset + operation.Length - 1) / unit;

    /// <summary>Applies what is there of an operation.</summary>
    public void Apply(RecordedOperation operation, IBlockDevice device)
    {
        if (Pattern == TearPattern.Whole)
        {
            operation.ApplyTo(device);
            return;
        }
        long first = operation.Offset / Unit, sectors = ((operation.Offset + operation.Length - 1) / Unit) - first + 1;
        Random? random = Pattern == TearPattern.Random ? new Random(Seed) : null;
        for (long i = 0; i < sectors; i++)
        {
            bool isThere = Pattern switch
            {
                TearPattern.Prefix => i < Math.Max(1, sectors / 2),
                TearPattern.Suffix => i >= Math.Max(1, sectors / 2),
                TearPattern.Even => i % 2 == 0,
                TearPattern.Odd => i % 2 == 1,
                _ => random!.Next(2) == 0,
            };
            if (isThere)
            {
                long start = Math.Max(operation.Offset, (first + i) * Unit);
                long end = Math.Min(operation.Offset + operation.Length, (first + i + 1) * Unit);
                device.Write(operation.Data.Span[(int)(start - operation.Offset)..(int)(end - operation.Offset)], start, operation.Tag);
            }
        }
    }

    public override string ToString() => Pattern == TearPattern.Whole ? "" : $"/{Pattern}.{Unit}.{Seed}";

    /// <summary>The reverse of <see cref="ToString"/>, without the slash.</summary>
    public static Tear Parse(string text)
    {
        string[] parts = text.Split('.');
        return new Tear(Enum.Parse<TearPattern>(parts[0]), int.Parse(parts[1]), int.Parse(parts[2]));
    }
}
