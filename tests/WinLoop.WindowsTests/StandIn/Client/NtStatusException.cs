using WinLoop.Mounting.Windows;

namespace WinLoop.WindowsTests.StandIn.Client;

/// <summary>An operation answered with a failure.</summary>
public sealed class NtStatusException(NtStatus status, string what) : Exception($"{what}: {status}")
{
    /// <summary>What the driver answered.</summary>
    public NtStatus Status { get; } = status;
}
