using System.Diagnostics;
using System.Numerics;
using System.Runtime.InteropServices;

namespace WinLoop.Storage;

/// <summary>
/// Counters and log2 latency histograms per tag and operation. A tag has one owner at a time and giving it
/// back is a fence, so the owner counts with plain additions; a snapshot adds up all tags.
/// </summary>
/// <remarks>Native zeroed memory: rows of tags and operations that are never used are never touched, and
/// the system gives them no page.</remarks>
internal sealed unsafe class QueueCounters : SafeHandle
{
    /// <summary>2^38 ns are four and a half minutes; slower requests are counted in the last bucket.</summary>
    internal const int BucketCount = 40;

    /// <summary>384 bytes: whole cache lines, so that two tags do not share one.</summary>
    private const int RowSize = 48 * sizeof(long);

    private static readonly double NanosecondsPerTick = 1e9 / Stopwatch.Frequency;

    private readonly int _tags;
    private readonly int _operations;
    private readonly byte* _rows;

    internal QueueCounters(int tags, int operations) : base(0, ownsHandle: true)
    {
        _tags = tags;
        _operations = operations;
        nuint size = (nuint)((long)tags * operations * RowSize);
        void* memory = NativeMemory.AllocZeroed(size + 64);
        SetHandle((nint)memory);
        _rows = (byte*)(((nuint)memory + 63) & ~(nuint)63);
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>Counts one request. Only the owner of the tag may call it.</summary>
    internal void Add(int tag, int operation, bool failed, long bytes, long ticks)
    {
        long nanoseconds = Stopwatch.Frequency == 1_000_000_000 ? ticks : (long)(ticks * NanosecondsPerTick);
        nanoseconds = Math.Max(nanoseconds, 0);
        Row* row = At(tag, operation);
        int bucket = Math.Min(64 - BitOperations.LeadingZeroCount((ulong)nanoseconds), BucketCount - 1);
        row->Buckets[bucket]++;
        row->Nanoseconds += nanoseconds;
        if (nanoseconds > row->Maximum)
        {
            row->Maximum = nanoseconds;
        }

        if (failed)
        {
            row->Errors++;
        }
        else
        {
            row->Bytes += bytes;
        }
    }

    internal OperationStatistics Sum(int operation, string name)
    {
        var buckets = new long[BucketCount];
        long count = 0, errors = 0, bytes = 0, nanoseconds = 0, maximum = 0;
        for (int tag = 0; tag < _tags; tag++)
        {
            Row* row = At(tag, operation);
            for (int bucket = 0; bucket < BucketCount; bucket++)
            {
                buckets[bucket] += row->Buckets[bucket];
                count += row->Buckets[bucket];
            }

            errors += row->Errors;
            bytes += row->Bytes;
            nanoseconds += row->Nanoseconds;
            maximum = Math.Max(maximum, row->Maximum);
        }

        GC.KeepAlive(this);
        return new OperationStatistics(name, count, errors, bytes,
            FromNanoseconds(count == 0 ? 0 : (double)nanoseconds / count),
            FromNanoseconds(Percentile(buckets, count, 0.50, maximum)),
            FromNanoseconds(Percentile(buckets, count, 0.99, maximum)),
            FromNanoseconds(maximum), buckets);
    }

    /// <summary>The value that <paramref name="share"/> of all requests do not exceed, in nanoseconds, as if
    /// the requests of a bucket were spread evenly over it.</summary>
    internal static double Percentile(ReadOnlySpan<long> buckets, long count, double share, long maximum)
    {
        double rank = count * share;
        double below = 0;
        for (int bucket = 0; bucket < buckets.Length; bucket++)
        {
            long here = buckets[bucket];
            if (here > 0 && below + here >= rank)
            {
                double low = bucket == 0 ? 0 : Math.ScaleB(1, bucket - 1);
                double high = bucket == buckets.Length - 1 ? maximum : Math.Min(Math.ScaleB(1, bucket), maximum);
                return low + (Math.Max(high - low, 0) * (rank - below) / here);
            }

            below += here;
        }

        return 0;
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        NativeMemory.Free((void*)handle);
        return true;
    }

    private static TimeSpan FromNanoseconds(double nanoseconds) =>
        TimeSpan.FromTicks((long)Math.Round(nanoseconds / TimeSpan.NanosecondsPerTick));

    private Row* At(int tag, int operation) =>
        (Row*)(_rows + ((((long)tag * _operations) + operation) * RowSize));

    private struct Row
    {
        internal long Errors;
        internal long Bytes;
        internal long Nanoseconds;
        internal long Maximum;
        internal fixed long Buckets[BucketCount];
    }
}
