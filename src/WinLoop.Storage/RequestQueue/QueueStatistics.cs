namespace WinLoop.Storage;

/// <summary>The figures of a queue since it was made. Taken without stopping it, so numbers of requests
/// that end meanwhile may be in one of them and not yet in another.</summary>
/// <param name="Depth">How many requests may be in flight.</param>
/// <param name="InFlight">How many were.</param>
/// <param name="Requeues">How often a request was not accepted and issued again later.</param>
/// <param name="TagWaits">How often a request waited because all tags were in use.</param>
/// <param name="Operations">Per operation, in the order of <see cref="RequestQueueOptions.OperationNames"/>.</param>
public sealed record QueueStatistics(
    int Depth, int InFlight, long Requeues, long TagWaits, IReadOnlyList<OperationStatistics> Operations);

/// <summary>The figures of one operation. Latency is from the hand-over to the end of the handler, with
/// all waiting in between; percentiles are interpolated within a power of two.</summary>
/// <param name="Name">The operation.</param>
/// <param name="Count">Requests that ended, failed ones included.</param>
/// <param name="Errors">Requests that failed.</param>
/// <param name="Bytes">Bytes moved by those that did not fail.</param>
/// <param name="Mean">Mean latency.</param>
/// <param name="P50">Half of the requests took at most this long.</param>
/// <param name="P99">99 of 100 requests took at most this long.</param>
/// <param name="Max">The slowest.</param>
/// <param name="Buckets">Bucket n counts the requests of 2^(n-1) to 2^n-1 nanoseconds; bucket 0 those of 0.</param>
public sealed record OperationStatistics(
    string Name, long Count, long Errors, long Bytes, TimeSpan Mean, TimeSpan P50, TimeSpan P99, TimeSpan Max,
    IReadOnlyList<long> Buckets);
