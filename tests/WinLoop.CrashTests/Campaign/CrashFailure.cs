namespace WinLoop.CrashTests;

/// <summary>A violation with everything that is needed to see it again.</summary>
/// <param name="Workload">The workload.</param>
/// <param name="State">The cut; null if the fault shows without one.</param>
/// <param name="Again">The second cut, inside recovery.</param>
/// <param name="Message">What is wrong.</param>
internal sealed record CrashFailure(CrashWorkload Workload, CrashState? State, CrashState? Again, string Message);

/// <summary>Ends the judging of a workload.</summary>
internal sealed class CrashFailureException(CrashFailure failure) : Exception(failure.Message)
{
    public CrashFailure Failure { get; } = failure;
}
